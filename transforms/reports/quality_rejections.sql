-- question: What was refused before anything was stored?
-- grain: source, reason and day (UTC)
-- key: source, reason, day
-- result:
--   source VARCHAR The configured source
--   reason VARCHAR no_signature, bad_signature or too_large
--   day DATE The day, UTC
--   requests BIGINT [requests] Requests
select source, reason, day, sum("count") as requests
from rejections
where ($start is null or day >= $start::date) and ($stop is null or day <= $stop::date)
group by all
order by day desc, source, reason
