-- question: Why do calls end?
-- grain: end cause code, of calls that have ended; unknown codes keep their own row and the phone system's text
-- key: category, name, code
-- result:
--   category VARCHAR [code] Category of the cause
--   name VARCHAR Q.850 name, unknown where the code is not in the table
--   code VARCHAR Code as sent; empty where none was
--   text VARCHAR The phone system's own text, of an unknown code
--   calls BIGINT [calls] Calls
--   share DOUBLE [share] Of all that have ended
--   inbound BIGINT [calls] Inbound
--   outbound BIGINT [calls] Outbound
--   internal BIGINT [calls] Internal
with counted as (
    select end_cause_category as category, end_cause_name as name, coalesce(end_cause, '') as code, sum(calls) as calls,
        coalesce(sum(calls) filter (direction = 'inbound'), 0) as inbound, coalesce(sum(calls) filter (direction = 'outbound'), 0) as outbound,
        coalesce(sum(calls) filter (direction = 'internal'), 0) as internal
    from counted_outcomes($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where has_ended(outcome)
    group by all)
select category, name, code, text, calls, share(calls, sum(calls) over ()) as share, inbound, outbound, internal
from counted
left join (select coalesce(end_cause, '') as code, min(end_cause_text) as text from outcomes_by_quarter where end_cause_category = 'unknown' group by all) t using (code)
order by calls desc, category, name, code
