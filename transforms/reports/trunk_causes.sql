-- question: Why do calls end on each trunk?
-- grain: trunk and end cause code, of calls on a trunk that have ended
-- key: trunk_name, category, name, code
-- result:
--   trunk_name VARCHAR The trunk
--   category VARCHAR [code] Category of the cause
--   name VARCHAR Q.850 name, unknown where the code is not in the table
--   code VARCHAR Code as sent; empty where none was
--   calls BIGINT [calls] Calls
--   share DOUBLE [share] Of all calls on the trunk that have ended
with counted as (
    select value as trunk_name, end_cause_category as category, end_cause_name as name, coalesce(end_cause, '') as code, sum(calls)::bigint as calls
    from counted_causes($whole_from, $whole_until, $rows_from, $rows_until, $but_from, $but_until, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where dimension = 'trunk'
    group by all)
select trunk_name, category, name, code, calls, share(calls, sum(calls) over (partition by trunk_name)) as share
from counted
order by sum(calls) over (partition by trunk_name) desc, trunk_name, calls desc, category, name, code
