-- question: Which source has fallen silent?
-- grain: source, of events received within seven days before the build
-- key: source
-- result:
--   source VARCHAR The configured source
--   events BIGINT [events] Events
--   last_at TIMESTAMPTZ [UTC] When the last was received
--   delay_p50_ms DOUBLE [ms] Median time from the event to its first delivery
--   delay_p90_ms DOUBLE [ms] 90th percentile
select source, count(*) as events, max(received_at) as last_at,
    median_of(epoch_ms(received_at) - epoch_ms(event_time)) as delay_p50_ms, p90_of(epoch_ms(received_at) - epoch_ms(event_time)) as delay_p90_ms
from call_events
where event_time >= (select max(as_of) from builds) - interval 7 days
group by source
order by source
