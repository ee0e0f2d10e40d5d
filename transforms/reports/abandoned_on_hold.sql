-- question: Who was put on hold and hung up?
-- grain: call whose last state is held and that the side outside ended
-- key: company, call_id
-- metrics: is_abandoned_on_hold
-- result:
--   company VARCHAR The company
--   call_id VARCHAR The call
--   started_at TIMESTAMPTZ [UTC] Start
--   direction VARCHAR inbound or outbound
--   external_phone VARCHAR The number outside
--   answered_by_name VARCHAR The first person who answered
--   queue_name VARCHAR The last queue
--   held_ms BIGINT [ms] How long the last hold was
with held as (
    select company, call_id, arg_max(phase, seq) as last_phase, arg_max(duration_ms, seq) as held_ms
    from call_states
    where ($start is null or started_at >= $start) and ($stop is null or started_at < $stop::timestamptz + to_hours(24))
    group by all)
select c.company, c.call_id, c.started_at, c.direction, c.external_phone, c.answered_by_name, c.queue_name, held_ms
from selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone) c join held using (company, call_id)
where c.hold_count > 0 and is_abandoned_on_hold(c.direction, last_phase, c.ended_by)
order by c.started_at desc, c.company, c.call_id
limit $limit offset $offset
