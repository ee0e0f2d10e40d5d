-- question: Who was rung, spoke or was on hold, and when?
-- grain: state of the call
-- result:
--   seq BIGINT [count] Number of the state in its call, from 0
--   status VARCHAR Status as sent
--   phase VARCHAR [code] ringing, talking, held or other (call_phases.csv)
--   started_at TIMESTAMPTZ [UTC] Time of the event that opens the state
--   ended_at TIMESTAMPTZ [UTC] Time of the next event; null for the last state of an open call
--   duration_ms BIGINT [ms] ended_at − started_at; null for the last state of an open call
--   caller_phone VARCHAR [phone] The event's caller: phone number
--   callee_type VARCHAR The event's callee: LOCAL or REMOTE as sent
--   callee_phone VARCHAR [phone] The event's callee: phone number
--   callee_name VARCHAR [name] The event's callee: name
--   callee_user_id VARCHAR The event's callee: user id
--   callee_extension VARCHAR The event's callee: extension
--   queue_name VARCHAR The event's queue
select seq, status, phase, started_at, ended_at, duration_ms, caller_phone, callee_type, callee_phone, callee_name, callee_user_id, callee_extension, queue_name
from call_states
where company = $company and call_id = $call_id
  and ($near_from is null or started_at >= $near_from) and ($near_until is null or started_at <= $near_until)
order by seq
