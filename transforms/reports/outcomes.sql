-- question: How do calls go?
-- grain: outcome
-- key: outcome
-- metrics: has_ended
-- result:
--   outcome VARCHAR [code] The outcome
--   calls BIGINT [calls] Calls
--   share DOUBLE [share] Of all that have ended; none for calls in progress and lost calls, which enter no rate
--   inbound BIGINT [calls] Inbound
--   outbound BIGINT [calls] Outbound
--   internal BIGINT [calls] Internal
select outcome, sum(calls) as calls, share(sum(calls) filter (has_ended(outcome)), sum(sum(calls) filter (has_ended(outcome))) over ()) as share,
    coalesce(sum(calls) filter (direction = 'inbound'), 0) as inbound, coalesce(sum(calls) filter (direction = 'outbound'), 0) as outbound,
    coalesce(sum(calls) filter (direction = 'internal'), 0) as internal
from counted_outcomes($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
group by outcome
order by calls desc, outcome
