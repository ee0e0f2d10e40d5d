-- question: How does each outcome develop?
-- grain: local interval of started_at and outcome
-- key: interval_at, outcome
-- result:
--   interval_at TIMESTAMPTZ [UTC] Start of the interval
--   outcome VARCHAR [code] The outcome
--   calls BIGINT [calls] Calls
with counted as (
    select quarter_at, outcome, sum(calls) as calls
    from counted_outcomes($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    group by all)
select interval_of(quarter_at, $time_zone, $grain, $first_weekday) as interval_at, outcome, sum(calls) as calls
from counted
group by all
order by interval_at, outcome
