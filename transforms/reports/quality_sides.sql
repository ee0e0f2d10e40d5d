-- question: Which values of ended_by are not known?
-- grain: ended_by, of calls that have ended
-- key: ended_by
-- result:
--   ended_by VARCHAR The value in lower case; empty where it is null
--   calls BIGINT [calls] Calls
select coalesce(ended_by, '') as ended_by, sum(calls) as calls
from counted_outcomes($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
where has_ended(outcome) and not is_known_side(ended_by)
group by 1
order by calls desc, ended_by
