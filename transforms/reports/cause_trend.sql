-- question: Which causes grow?
-- grain: local interval of started_at and cause; the five most frequent, all others as one
-- key: interval_at, cause
-- result:
--   interval_at TIMESTAMPTZ [UTC] Start of the interval
--   cause VARCHAR Q.850 name, or other
--   calls BIGINT [calls] Calls that have ended
with counted as (
    select quarter_at, end_cause_name as name, sum(calls) as calls
    from counted_outcomes($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where has_ended(outcome)
    group by all),
top as (select name from counted group by name order by sum(calls) desc, name limit 5)
select interval_of(quarter_at, $time_zone, $grain, $first_weekday) as interval_at,
    case when name in (from top) then name else 'other' end as cause, sum(calls) as calls
from counted
group by all
order by interval_at, cause
