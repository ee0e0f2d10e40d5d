-- question: What was refused before anything was stored?
-- grain: source, reason and day (UTC), of days that the period touches
-- key: source, reason, day
-- result:
--   source VARCHAR The configured source
--   reason VARCHAR [code] no_signature, bad_signature or too_large
--   day DATE The day, UTC
--   requests BIGINT [requests] Requests
select source, reason, day, sum("count") as requests
from rejections
where ($start is null or timezone('UTC', day::timestamp) + interval 1 day > $start) and ($stop is null or timezone('UTC', day::timestamp) < $stop)
group by all
order by day desc, source, reason
