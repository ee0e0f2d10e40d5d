-- question: Why do calls to each destination end?
-- grain: first five characters of the number outside and end cause code, of outbound calls that have ended
-- key: prefix, category, name, code
-- metrics: is_attempt
-- result:
--   prefix VARCHAR First five characters of the number, without blanks; empty where there is none
--   category VARCHAR [code] Category of the cause
--   name VARCHAR Q.850 name, unknown where the code is not in the table
--   code VARCHAR Code as sent; empty where none was
--   calls BIGINT [calls] Calls
--   share DOUBLE [share] Of all outbound calls to the prefix that have ended
with counted as (
    select value as prefix, end_cause_category as category, end_cause_name as name, coalesce(end_cause, '') as code, sum(calls)::bigint as calls
    from counted_causes($whole_from, $whole_until, $rows_from, $rows_until, $but_from, $but_until, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where dimension = 'prefix'
    group by all)
select prefix, category, name, code, calls, share(calls, sum(calls) over (partition by prefix)) as share
from counted
order by sum(calls) over (partition by prefix) desc, prefix, calls desc, category, name, code
