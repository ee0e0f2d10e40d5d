-- question: What does the vendor say of this call?
-- grain: flow of the vendor's account
-- result:
--   flow_index BIGINT [count] flowIndex as sent; where missing the place in the array, from 0
--   started_at TIMESTAMPTZ [UTC] startTime
--   ended_at TIMESTAMPTZ [UTC] endTime
--   duration_ms BIGINT [ms] duration: the sum of the five that follow, in the vendor's words
--   connect_ms BIGINT [ms] connectTime: ringing
--   wait_ms BIGINT [ms] waitTime: the dial plan before an answer
--   queue_ms BIGINT [ms] queueTime: in the queue
--   talk_ms BIGINT [ms] talkTime: talking
--   hold_ms BIGINT [ms] holdTime: hold after the answer
--   direction VARCHAR direction as sent
--   caller_phone VARCHAR [phone] The flow's caller: phone number
--   callee_phone VARCHAR [phone] The flow's callee: phone number
--   callee_name VARCHAR [name] The flow's callee: name
--   trunk_name VARCHAR trunkName
--   trunk_direction VARCHAR trunkDirection
--   service_number VARCHAR [phone] serviceNumber
--   remote_phone VARCHAR [phone] remotePhone
--   remote_country VARCHAR remotePhoneCountryCodeStr
--   split_reason VARCHAR splitReason
--   split_transfer_type VARCHAR splitTransferType
--   merge_with VARCHAR mergeWith
--   caller_mos DOUBLE [MOS] Voice quality at the caller, 0 < MOS ≤ 5, else null
--   callee_mos DOUBLE [MOS] Voice quality at the callee, 0 < MOS ≤ 5, else null
--   call_status VARCHAR callStatus: COMPLETED, MISSED …
--   end_cause VARCHAR endCause
--   transcription_status VARCHAR transcriptionStatus
--   recordings BIGINT [count] Attachments with a recording
--   voicemails BIGINT [count] Attachments with a voicemail
--   faxes BIGINT [count] Attachments with a fax
select flow_index, started_at, ended_at, duration_ms, connect_ms, wait_ms, queue_ms, talk_ms, hold_ms, direction, caller_phone, callee_phone, callee_name, trunk_name, trunk_direction, service_number, remote_phone, remote_country, split_reason, split_transfer_type, merge_with, caller_mos, callee_mos, call_status, end_cause, transcription_status, recordings, voicemails, faxes
from vendor_calls
where company = $company and call_id = $call_id
order by flow_index
