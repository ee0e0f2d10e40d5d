-- question: Where is there data, if not in this period?
-- grain: one row: the nearest day with calls, before the period if there is one, else after it
-- result:
--   day DATE Local day
--   calls BIGINT [calls] Its calls
select timezone($time_zone, quarter_at)::date as day, sum(calls) as calls
from calls_by_quarter
where ($start is null or quarter_at < $start) or ($stop is null or quarter_at >= $stop)
group by 1
order by case when $start is null or day < timezone($time_zone, $start::timestamptz)::date then 0 else 1 end,
    abs(datediff('day', day, timezone($time_zone, coalesce($start, $stop)::timestamptz)::date))
limit 1
