-- question: Who was put on hold and hung up?
-- grain: call whose last state is held and that the side outside ended
-- key: company, call_id
-- metrics: is_abandoned_on_hold
-- result:
--   company VARCHAR The company
--   call_id VARCHAR The call
--   started_at TIMESTAMPTZ [UTC] Start
--   direction VARCHAR [code] inbound or outbound
--   external_phone VARCHAR [phone] The number outside
--   answered_by_name VARCHAR [name] The first person who answered
--   queue_name VARCHAR The last queue
--   held_ms BIGINT [ms] How long the last hold was
select company, call_id, started_at, direction, external_phone, answered_by_name, queue_name, held_ms
from (
    select * from abandoned_on_hold
    where not $of_calls_or_queues and ($start is null or started_at >= $start) and ($stop is null or started_at < $stop)
      and ($companies is null or list_contains($companies::varchar[], company)) and is_open(started_at, $time_zone, $open_minutes, $holidays)
    union all
    select * from abandoned_on_hold semi join selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone) using (started_at, company, call_id)
    where $of_calls_or_queues and ($start is null or started_at >= $start) and ($stop is null or started_at < $stop))
order by started_at desc, company, call_id
limit $limit offset $offset
