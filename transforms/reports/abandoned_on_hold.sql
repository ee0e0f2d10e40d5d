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
with candidates as (
    select company, call_id, started_at, direction, external_phone, answered_by_name, queue_name, ended_by
    from selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where hold_count > 0 and is_abandoned_on_hold(direction, 'held', ended_by)),
held as (
    select company, call_id, arg_max(phase, seq) as last_phase, arg_max(duration_ms, seq) as held_ms
    from (from call_states where $start is null or started_at >= $start) semi join candidates using (company, call_id)
    group by all)
select company, call_id, started_at, direction, external_phone, answered_by_name, queue_name, held_ms
from candidates join held using (company, call_id)
where is_abandoned_on_hold(direction, last_phase, ended_by)
order by started_at desc, company, call_id
limit $limit offset $offset
