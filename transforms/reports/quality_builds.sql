-- question: When was built, and how much?
-- grain: build, the newest first
-- key: build_id
-- result:
--   build_id VARCHAR The build
--   started_at TIMESTAMPTZ [UTC] Start
--   finished_at TIMESTAMPTZ [UTC] When its facts were complete
--   as_of TIMESTAMPTZ [UTC] The instant that it speaks of
--   mode VARCHAR [code] full or incremental
--   engine VARCHAR polars or spark
--   files BIGINT [count] Parts read
--   events BIGINT [deliveries] Deliveries read
--   calls_changed BIGINT [calls] Calls computed
select build_id, started_at, finished_at, as_of, mode, engine, files, events, calls_changed
from builds
order by started_at desc, build_id desc
limit coalesce($limit, 50) offset $offset
