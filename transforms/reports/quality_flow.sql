-- question: Are there gaps in the flow of events?
-- grain: local interval of started_at, an hour in periods up to 14 days; intervals without calls are there too
-- key: interval_at
-- metrics: anomaly, is_alert
-- result:
--   interval_at TIMESTAMPTZ [UTC] Start of the interval
--   calls BIGINT [calls] Calls that started in it
--   events BIGINT [events] Their events
--   late_events BIGINT [events] Of these late
--   lost BIGINT [calls] Of the calls lost
--   is_open BOOLEAN Whether any of it lies within business hours
--   usual_events DOUBLE [events] Median of the same weekday and hour of the eight weeks before; null where none of them is known, and of months
--   usual_calls DOUBLE [calls] The same of calls
--   z DOUBLE Calls against the usual ones, in deviations; null without them, and where the interval is not whole in the period or not over at the build
--   alert BOOLEAN Whether this is beyond noise, within business hours
with counted as (
    select quarter_at, true as asked, sum(calls) as calls, sum(events) as events, sum(late_events) as late_events, sum(lost) as lost
    from counted_calls($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    group by 1
    union all
    select quarter_at, false, sum(calls), sum(events), 0, 0
    from counted_calls($calls_rolled, $flow_from, $start, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where $start is not null
    group by 1),
clock as (
    select quarter_at, interval_at
    from quarters(coalesce($flow_from, (select min(quarter_at) from counted)), coalesce($stop, (select max(quarter_at) + interval 15 minutes from counted)),
        $time_zone, $flow_grain, $first_weekday)),
every as (
    select interval_at, timezone($time_zone, interval_at) as local_at, max(quarter_at) + interval 15 minutes as until_at,
        bool_or(is_open(quarter_at, $time_zone, $business_minutes, $holidays)) as is_open,
        coalesce(sum(calls) filter (asked), 0) as calls, coalesce(sum(events) filter (asked), 0) as events,
        coalesce(sum(late_events), 0) as late_events, coalesce(sum(lost), 0) as lost,
        coalesce(sum(calls), 0)::double as calls_of_all, coalesce(sum(events), 0)::double as events_of_all
    from clock left join counted using (quarter_at)
    group by 1, 2),
shown as (from every where $start is null or until_at > $start),
before as (
    select s.interval_at, median_of(e.calls_of_all) as usual_calls, mad(e.calls_of_all) as deviation, median_of(e.events_of_all) as usual_events
    from (select interval_at, local_at, unnest(range(1, 9)) as weeks from shown where $flow_grain <> 'month') s
    join every e on e.local_at = s.local_at - to_days((7 * weeks)::int)
    where e.interval_at >= (select min(quarter_at) from calls_by_quarter)
    group by 1),
judged as (
    select *, case when ($start is null or interval_at >= $start) and ($stop is null or until_at <= $stop) and until_at <= (select max(as_of) from builds)
            and interval_of(until_at, $time_zone, $flow_grain, $first_weekday) <> interval_at
        then anomaly(calls, usual_calls, deviation) end as z
    from shown left join before using (interval_at))
select interval_at, calls, events, late_events, lost, is_open, usual_events, usual_calls, z, is_alert(z, is_open) as alert
from judged
order by interval_at
