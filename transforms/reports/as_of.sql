-- question: Of when are these numbers, and what is in them?
-- grain: one row, the whole warehouse
-- result:
--   as_of TIMESTAMPTZ [UTC] The instant that the last build speaks of
--   finished_at TIMESTAMPTZ [UTC] When its facts were complete
--   build_id VARCHAR The last build
--   mode VARCHAR full or incremental
--   calls BIGINT [calls] Calls in the warehouse
--   in_progress BIGINT [calls] Calls without an end, the last event less than 4 h old
--   lost BIGINT [calls] Calls without an end, the last event older
--   first_call_at TIMESTAMPTZ [UTC] Start of the first call
--   last_call_at TIMESTAMPTZ [UTC] Start of the last call
--   last_event_at TIMESTAMPTZ [UTC] When the newest event was received
--   has_visits BOOLEAN Whether any call visited a queue
--   has_presence BOOLEAN Whether presence is subscribed
--   has_vendor BOOLEAN Whether call:completed is subscribed
select
    b.as_of, b.finished_at, b.build_id, b.mode,
    coalesce(c.calls, 0) as calls, coalesce(c.in_progress, 0) as in_progress, coalesce(c.lost, 0) as lost,
    (select min(started_at) from calls) as first_call_at, (select max(started_at) from calls) as last_call_at,
    (select max(last_received_at) from calls) as last_event_at,
    exists (from queue_visits) as has_visits, exists (from presence_intervals) as has_presence, exists (from vendor_calls) as has_vendor
from (select max_by(build_id, started_at) as build_id, max(started_at) as started_at, max_by(finished_at, started_at) as finished_at,
          max_by(as_of, started_at) as as_of, max_by(mode, started_at) as mode from builds) b,
     (select sum(calls) as calls, sum(in_progress) as in_progress, sum(lost) as lost
      from calls_by_quarter) c
