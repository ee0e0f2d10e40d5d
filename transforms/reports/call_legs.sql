-- question: With whom was the call, one after the other?
-- grain: leg of the call
-- result:
--   leg BIGINT [count] Number of the leg in its call, from 0
--   callee_type VARCHAR The callee, in its last state: LOCAL or REMOTE as sent
--   callee_phone VARCHAR [phone] The callee, in its last state: phone number
--   callee_name VARCHAR [name] The callee, in its last state: name
--   callee_user_id VARCHAR The callee, in its last state: user id
--   callee_extension VARCHAR The callee, in its last state: extension
--   callee_department VARCHAR The callee, in its last state: department
--   queue_name VARCHAR Queue, last non-null of the leg
--   started_at TIMESTAMPTZ [UTC] Start of the leg's first state
--   answered_at TIMESTAMPTZ [UTC] First talking or held state of the leg
--   ended_at TIMESTAMPTZ [UTC] End of the leg's last state; null for the last leg of an open call
--   ring_ms BIGINT [ms] Time ringing in the leg
--   talk_ms BIGINT [ms] Time talking in the leg
--   hold_ms BIGINT [ms] Time held in the leg
--   other_ms BIGINT [ms] Time in any other status in the leg
--   answered BOOLEAN Whether the leg has a talking or held state
select leg, callee_type, callee_phone, callee_name, callee_user_id, callee_extension, callee_department, queue_name, started_at, answered_at, ended_at, ring_ms, talk_ms, hold_ms, other_ms, answered
from call_legs
where company = $company and call_id = $call_id
  and ($near_from is null or started_at >= $near_from) and ($near_until is null or started_at <= $near_until)
order by leg
