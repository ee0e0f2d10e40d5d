-- question: How long is the usual wait in a queue, and the bad one?
-- grain: queue, of visits that began in the period and are over
-- key: queue_name
-- metrics: longest_wait, percentiles_of, median_of, p90_of
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
with over as not materialized (
    -- Not materialized: to scan these rows twice takes half as long as to keep them.
    select queue_name, wait_ms, result, company, call_id
    from selected_visits($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone, $of_calls)
    where result <> 'open'),
by_queue as (
    select queue_name, percentiles_of(wait_ms, [0.5, 0.9]) as waited, longest_wait(wait_ms) as longest_wait_ms,
        percentiles_of(case when result = 'answered' then wait_ms end, [0.5, 0.9]) as answered,
        median_of(case when result = 'caller_left' then wait_ms end) as left_p50_ms
    from over group by queue_name),
longest as (
    select queue_name, min({'company': company, 'call_id': call_id}) as call
    from over join (select queue_name, longest_wait_ms as wait_ms from by_queue) using (queue_name, wait_ms)
    group by queue_name)
select queue_name, waited[1] as wait_p50_ms, waited[2] as wait_p90_ms, answered[1] as answered_p50_ms, answered[2] as answered_p90_ms, left_p50_ms,
    longest_wait_ms, call.company as longest_company, call.call_id as longest_call_id
from by_queue left join longest using (queue_name)
order by queue_name
