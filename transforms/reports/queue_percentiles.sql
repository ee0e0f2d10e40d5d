-- question: How long is the usual wait in a queue, and the bad one?
-- grain: queue, of visits that began in the period and are over
-- key: queue_name
-- metrics: median_of, p90_of
-- result:
--   queue_name VARCHAR The queue
--   wait_p50_ms DOUBLE [ms] Median wait
--   wait_p90_ms DOUBLE [ms] 90th percentile
--   answered_p50_ms DOUBLE [ms] Median wait of answered visits
--   answered_p90_ms DOUBLE [ms] 90th percentile
--   left_p50_ms DOUBLE [ms] Median wait of visits that the caller left
--   longest_wait_ms BIGINT [ms] The longest
--   longest_company VARCHAR Its company
--   longest_call_id VARCHAR Its call
select queue_name, median_of(wait_ms) as wait_p50_ms, p90_of(wait_ms) as wait_p90_ms,
    median_of(case when result = 'answered' then wait_ms end) as answered_p50_ms, p90_of(case when result = 'answered' then wait_ms end) as answered_p90_ms,
    median_of(case when result = 'caller_left' then wait_ms end) as left_p50_ms,
    max(wait_ms) as longest_wait_ms, arg_max(company, wait_ms) as longest_company, arg_max(call_id, wait_ms) as longest_call_id
from selected_visits($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone, $of_calls)
where result <> 'open'
group by queue_name
order by queue_name
