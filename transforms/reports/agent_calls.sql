-- question: Which calls did this person have, one after the other?
-- grain: part of a call with this person: a leg that was offered to them, or a call that they made
-- key: company, call_id, leg
-- result:
--   agent VARCHAR The agent: <company>_<extension>
--   company VARCHAR The company
--   call_id VARCHAR The call
--   leg BIGINT Number of the leg; −1: they made the call
--   direction VARCHAR inbound, outbound, internal or unknown
--   role VARCHAR called (they rang) or caller (they called)
--   other_phone VARCHAR The other side's number
--   other_name VARCHAR The other side's name
--   queue_name VARCHAR The queue
--   started_at TIMESTAMPTZ [UTC] When it began to ring
--   answered_at TIMESTAMPTZ [UTC] When it was answered
--   ended_at TIMESTAMPTZ [UTC] When it ended for them; null while open
--   ring_ms BIGINT [ms] Ring
--   talk_ms BIGINT [ms] Talk
--   hold_ms BIGINT [ms] Hold
--   answered BOOLEAN Whether it was answered here
with mine as (
    select agent_of(company, callee_extension, callee_user_id) as agent, company, call_id, leg, 'called' as role, queue_name, started_at, answered_at, ended_at,
        ring_ms, talk_ms, hold_ms, answered
    from call_legs
    where ($start is null or started_at >= $start) and ($stop is null or started_at < $stop)
      and ($companies is null or list_contains($companies::varchar[], company))
      and callee_user_id is not null and ($agents is null or list_contains($agents::varchar[], agent_of(company, callee_extension, callee_user_id)))),
made as (
    select agent_of(company, caller_extension, caller_user_id) as agent, company, call_id, -1 as leg, 'caller' as role, queue_name, started_at, answered_at, ended_at,
        ring_ms, talk_ms, hold_ms, answered_at is not null as answered, direction, coalesce(callee_phone, destination) as other_phone, callee_name as other_name
    from calls
    where ($start is null or started_at >= $start) and ($stop is null or started_at < $stop)
      and ($companies is null or list_contains($companies::varchar[], company))
      and caller_type = 'LOCAL' and coalesce(caller_extension, caller_user_id) is not null
      and ($agents is null or list_contains($agents::varchar[], agent_of(company, caller_extension, caller_user_id))))
select agent, company, call_id, leg, direction, role, other_phone, other_name, queue_name, started_at, answered_at, ended_at, ring_ms, talk_ms, hold_ms, answered
from (
    select mine.*, c.direction, c.caller_phone as other_phone, c.caller_name as other_name
    from mine join (select company, call_id, direction, caller_phone, caller_name from calls
                    where ($start is null or started_at >= $start::timestamptz - interval 7 days) and ($stop is null or started_at < $stop)) c using (company, call_id)
    union all by name
    from made)
order by agent, started_at, company, call_id, leg
