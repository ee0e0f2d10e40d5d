-- question: How many calls are there at once, and when most?
-- grain: company and local interval; time in calls is split over intervals by overlap
-- key: company, interval_at
-- metrics: peak_of, erlangs
-- result:
--   company VARCHAR The company
--   interval_at TIMESTAMPTZ [UTC] Start of the interval
--   peak BIGINT [calls] The most calls open at one instant
--   peak_at TIMESTAMPTZ [UTC] The first instant with that many
--   busy_ms BIGINT [ms] Time in calls
--   erlangs DOUBLE [erlangs] Time in calls / time
with counted as (
    select company, quarter_at, peak, peak_at, busy_ms
    from concurrency_by_quarter
    where $period_on_quarters and ($start is null or quarter_at >= $start) and ($stop is null or quarter_at < $stop)
      and ($companies is null or list_contains($companies::varchar[], company))
    union all
    select company, quarter_of(minute_at), peak_of(peak), min_by(peak_at, (-peak, peak_at)), sum(busy_ms)
    from concurrency_by_minute
    where not $period_on_quarters and ($start is null or minute_at >= $start) and ($stop is null or minute_at < $stop)
      and ($companies is null or list_contains($companies::varchar[], company))
    group by 1, 2),
clock as (
    select quarter_at, interval_at
    from quarters(coalesce($start, (select min(quarter_at) from counted)), coalesce($stop, (select max(quarter_at) + interval 15 minutes from counted)),
        $time_zone, $grain, $first_weekday)),
elapsed as (select interval_at, count(*) * 900000 as elapsed_ms from clock group by 1),
placed as (
    select company, interval_at, peak_of(peak) as peak, arg_max(peak_at, (peak, -epoch_us(peak_at))) as peak_at, sum(busy_ms) as busy_ms
    from counted join clock using (quarter_at)
    group by 1, 2)
select company, interval_at, peak, peak_at, busy_ms, erlangs(busy_ms, elapsed_ms) as erlangs
from placed join elapsed using (interval_at)
order by company, interval_at
