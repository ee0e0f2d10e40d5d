-- question: Which statuses does the list of phases not know?
-- grain: status, of events in the period
-- key: status
-- result:
--   status VARCHAR The status as sent; empty where it is null
--   events BIGINT [events] Events
--   calls BIGINT [calls] Calls with it
--   last_at TIMESTAMPTZ [UTC] The last
select coalesce(status, '') as status, sum(events)::bigint as events, count(distinct (company, call_id)) as calls, max(event_time) as last_at
from unknown_statuses
where ($start is null or event_time >= $start) and ($stop is null or event_time < $stop)
  and ($companies is null or list_contains($companies::varchar[], company))
group by 1
order by events desc, status
