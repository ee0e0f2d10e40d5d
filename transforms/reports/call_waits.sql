-- question: How long do callers wait and talk: the usual case and the bad one?
-- grain: one row; calls that started in the period and have ended
-- metrics: median_of, p90_of, p95_of, is_offered, is_abandoned, is_answered
-- result:
--   wait_p50_ms DOUBLE [ms] Median wait of inbound calls
--   wait_p90_ms DOUBLE [ms] 90th percentile
--   wait_p95_ms DOUBLE [ms] 95th percentile
--   longest_wait_ms BIGINT [ms] The longest
--   longest_company VARCHAR Its company
--   longest_call_id VARCHAR Its call
--   abandoned_p50_ms DOUBLE [ms] Median wait of abandoned calls
--   abandoned_p90_ms DOUBLE [ms] 90th percentile
--   talk_p50_ms DOUBLE [ms] Median talk of answered calls of all directions
--   talk_p90_ms DOUBLE [ms] 90th percentile
--   talk_p95_ms DOUBLE [ms] 95th percentile
select
    median_of(case when direction = 'inbound' then wait_ms end) as wait_p50_ms,
    p90_of(case when direction = 'inbound' then wait_ms end) as wait_p90_ms,
    p95_of(case when direction = 'inbound' then wait_ms end) as wait_p95_ms,
    max(wait_ms) filter (direction = 'inbound') as longest_wait_ms,
    arg_max(company, wait_ms) filter (direction = 'inbound') as longest_company,
    arg_max(call_id, wait_ms) filter (direction = 'inbound') as longest_call_id,
    median_of(case when is_abandoned(direction, abandoned, wait_ms, $short_ms) then wait_ms end) as abandoned_p50_ms,
    p90_of(case when is_abandoned(direction, abandoned, wait_ms, $short_ms) then wait_ms end) as abandoned_p90_ms,
    median_of(case when is_answered(direction, has_end, answered_at, answered_by_at) then talk_ms end) as talk_p50_ms,
    p90_of(case when is_answered(direction, has_end, answered_at, answered_by_at) then talk_ms end) as talk_p90_ms,
    p95_of(case when is_answered(direction, has_end, answered_at, answered_by_at) then talk_ms end) as talk_p95_ms
from selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
where has_end
