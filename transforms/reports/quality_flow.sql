-- question: Are there gaps in the flow of events?
-- grain: local interval of started_at; intervals without calls are there too
-- key: interval_at
-- result:
--   interval_at TIMESTAMPTZ [UTC] Start of the interval
--   calls BIGINT [calls] Calls that started in it
--   events BIGINT [events] Their events
--   late_events BIGINT [events] Of these late
--   lost BIGINT [calls] Of the calls lost
--   is_open BOOLEAN Whether it begins within business hours
--   usual_events DOUBLE [events] Median of the same hour of the week over the period, without this one's own week where there are others
with counted as (
    select quarter_at, sum(calls) as calls, sum(events) as events, sum(late_events) as late_events, sum(lost) as lost
    from counted_calls($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    group by all),
placed as (
    select interval_of(quarter_at, $time_zone, $grain, $first_weekday) as interval_at, calls, events, late_events, lost from counted
    union all by name
    select interval_at from intervals(coalesce($start, (select min(quarter_at) from counted)), coalesce($stop, (select max(quarter_at) + interval 15 minutes from counted)), $time_zone, $grain, $first_weekday)),
total as (
    select interval_at, coalesce(sum(calls), 0) as calls, coalesce(sum(events), 0) as events, coalesce(sum(late_events), 0) as late_events, coalesce(sum(lost), 0) as lost
    from placed group by interval_at)
select interval_at, calls, events, late_events, lost, is_open(interval_at, $time_zone, $business_minutes, $holidays) as is_open,
    median(events) over (partition by minute_of_week(interval_at, $time_zone)) as usual_events
from total
order by interval_at
