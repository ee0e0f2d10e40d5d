-- question: How many calls are there at once, and when most?
-- grain: company and local interval; time in calls is split over intervals by overlap
-- key: company, interval_at
-- metrics: call_end, erlangs
-- result:
--   company VARCHAR The company
--   interval_at TIMESTAMPTZ [UTC] Start of the interval
--   peak BIGINT [calls] The most calls open at one instant
--   peak_at TIMESTAMPTZ [UTC] The first minute with that many
--   busy_ms BIGINT [ms] Time in calls
--   erlangs DOUBLE [erlangs] Time in calls / time
with counted as (
    select company, quarter_of(minute_at) as quarter_at, max(peak) as peak, min_by(minute_at, (-peak, minute_at)) as peak_at, sum(busy_ms) as busy_ms
    from concurrency_by_minute
    where ($start is null or minute_at >= $start) and ($stop is null or minute_at < $stop)
      and ($companies is null or list_contains($companies::varchar[], company))
    group by all),
clock as (
    select *, count(*) over (partition by interval_at) * 900000 as elapsed_ms
    from quarters(coalesce($start, (select min(quarter_at) from counted)), coalesce($stop, (select max(quarter_at) + interval 15 minutes from counted)),
        $time_zone, $grain, $first_weekday))
select company, interval_at, max(peak) as peak, min_by(peak_at, (-peak, peak_at)) as peak_at, sum(busy_ms) as busy_ms,
    erlangs(sum(busy_ms), any_value(elapsed_ms)) as erlangs
from counted join clock using (quarter_at)
group by all
order by company, interval_at
