-- question: Which event types is no table made of?
-- grain: event type, of the last build
-- key: event_type
-- result:
--   event_type VARCHAR The type as sent
--   events BIGINT [events] How often it came
select unnest(map_keys(unknown_types)) as event_type, unnest(map_values(unknown_types)) as events
from builds
qualify row_number() over (order by started_at desc, build_id desc) = 1
order by events desc, event_type
