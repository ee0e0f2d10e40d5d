-- question: How long do callers wait and talk: the usual case and the bad one?
-- grain: one row; calls that started in the period and have ended
-- metrics: longest_wait, percentiles_of, median_of, p90_of, p95_of, is_offered, is_abandoned, is_answered
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
with ended as not materialized (
    -- Not materialized: to scan these rows twice takes half as long as to keep them.
    select * from selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where has_end),
counted as (
    select percentiles_of(case when direction = 'inbound' then wait_ms end, [0.5, 0.9, 0.95]) as waited,
        longest_wait(case when direction = 'inbound' then wait_ms end) as longest_wait_ms,
        percentiles_of(case when is_abandoned(direction, abandoned, wait_ms, $short_ms) then wait_ms end, [0.5, 0.9]) as gave_up,
        percentiles_of(case when is_answered(direction, has_end, answered_at, answered_by_at) then talk_ms end, [0.5, 0.9, 0.95]) as talked
    from ended),
longest as (
    select min({'company': company, 'call_id': call_id}) as call from ended
    where direction = 'inbound' and wait_ms = (select longest_wait_ms from counted))
select waited[1] as wait_p50_ms, waited[2] as wait_p90_ms, waited[3] as wait_p95_ms, longest_wait_ms, call.company as longest_company,
    call.call_id as longest_call_id, gave_up[1] as abandoned_p50_ms, gave_up[2] as abandoned_p90_ms,
    talked[1] as talk_p50_ms, talked[2] as talk_p90_ms, talked[3] as talk_p95_ms
from counted, longest
