-- question: Who hangs up?
-- grain: ended_by, of calls that have ended
-- key: ended_by
-- metrics: has_ended
-- result:
--   ended_by VARCHAR [code] Who ended the call; empty where the event does not say
--   calls BIGINT [calls] Calls
--   share DOUBLE [share] Of all that have ended
--   answered BIGINT [calls] Of these with outcome answered
--   inbound BIGINT [calls] Inbound
--   outbound BIGINT [calls] Outbound
--   internal BIGINT [calls] Internal
select coalesce(ended_by, '') as ended_by, sum(calls) as calls, share(sum(calls), sum(sum(calls)) over ()) as share,
    coalesce(sum(calls) filter (outcome = 'answered'), 0) as answered,
    coalesce(sum(calls) filter (direction = 'inbound'), 0) as inbound, coalesce(sum(calls) filter (direction = 'outbound'), 0) as outbound,
    coalesce(sum(calls) filter (direction = 'internal'), 0) as internal
from counted_outcomes($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
where has_ended(outcome)
group by 1
order by calls desc, ended_by
