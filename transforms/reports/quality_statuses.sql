-- question: Which statuses does the list of phases not know?
-- grain: status, of calls that started in the period
-- key: status
-- result:
--   status VARCHAR The status as sent; empty where it is null
--   events BIGINT [events] Events
--   calls BIGINT [calls] Calls with it
--   last_at TIMESTAMPTZ [UTC] The last event
select coalesce(status, '') as status, sum(events)::bigint as events, count(*) as calls, max(last_at) as last_at
from unknown_statuses
where ($start is null or started_at >= $start) and ($stop is null or started_at < $stop)
  and ($companies is null or list_contains($companies::varchar[], company))
group by 1
order by events desc, status
