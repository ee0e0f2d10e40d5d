-- question: Which calls did this person have, one after the other?
-- grain: part of a call with this person, open within the period: a leg that was offered to them, or a call that they made
-- key: agent, company, call_id, leg
-- result:
--   agent VARCHAR The agent: <company>_<extension>
--   company VARCHAR The company
--   call_id VARCHAR The call
--   leg BIGINT Number of the leg; −1: they made the call
--   direction VARCHAR [code] inbound, outbound, internal or unknown
--   role VARCHAR [code] called (they rang) or caller (they called)
--   other_phone VARCHAR [phone] The other side's number
--   other_name VARCHAR [name] The other side's name
--   queue_name VARCHAR The queue
--   started_at TIMESTAMPTZ [UTC] When it began to ring
--   answered_at TIMESTAMPTZ [UTC] When it was answered
--   ended_at TIMESTAMPTZ [UTC] When it ended for them; null while open
--   from_at TIMESTAMPTZ [UTC] started_at, or the start of the period
--   until_at TIMESTAMPTZ [UTC] ended_at, or the end of the period; while open now (the build), of a lost call its last event
--   ring_ms BIGINT [ms] Ring within the period
--   talk_ms BIGINT [ms] Talk within the period
--   hold_ms BIGINT [ms] Hold within the period
--   answered BOOLEAN Whether it was answered here
select agent, company, call_id, leg, direction, role, other_phone, other_name, queue_name, started_at, answered_at, ended_at, from_at, until_at,
    ring_ms, talk_ms, hold_ms, answered
from agent_parts($start, $stop, $companies, $agents)
order by agent, started_at, company, call_id, leg
