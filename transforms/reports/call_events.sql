-- question: Which events is it made of, and where do they lie?
-- grain: distinct event of the call, in the order that counts
-- result:
--   event_uid VARCHAR SHA-256 of the event without its integrationId, hex
--   family VARCHAR call or live
--   event_type VARCHAR The event's type as sent
--   kind VARCHAR [code] start, update or end
--   event_time TIMESTAMPTZ [UTC] When it happened, by the phone system's clock
--   received_at TIMESTAMPTZ [UTC] When its first delivery came
--   source VARCHAR The configured source of that delivery
--   integration_id VARCHAR The integration of that delivery
--   writer VARCHAR Coordinate of that delivery in the landing zone: writer
--   seq BIGINT Coordinate of that delivery in the landing zone: number
--   pbx VARCHAR Serial of the PBX
--   status VARCHAR Status as sent
--   phase VARCHAR [code] ringing, talking, held or other (call_phases.csv)
--   caller_phone VARCHAR [phone] The caller's phone number
--   callee_phone VARCHAR [phone] The callee's phone number
--   end_cause VARCHAR Raw code of the end cause
--   ended_by VARCHAR [code] Who ended the call, in lower case
select event_uid, family, event_type, kind, event_time, received_at, source, integration_id, writer, seq, pbx, status, phase, caller_phone, callee_phone, end_cause, ended_by
from call_events
where company = $company and call_id = $call_id
  and ($near_from is null or event_time >= $near_from) and ($near_until is null or event_time <= $near_until)
order by event_time, case kind when 'start' then 0 when 'update' then 1 else 2 end, case phase when 'other' then 0 when 'ringing' then 1 when 'talking' then 2 else 3 end, event_uid
