-- question: Do our figures of this call agree with the vendor's?
-- grain: one row, none where there is no vendor's account
-- metrics: agrees
-- result:
--   started_at TIMESTAMPTZ [UTC] Start
--   duration_ms BIGINT [ms] Our duration
--   talk_ms BIGINT [ms] Our talk
--   hold_ms BIGINT [ms] Our hold
--   wait_ms BIGINT [ms] Our wait
--   vendor_duration_ms BIGINT [ms] The vendor's duration
--   vendor_talk_ms BIGINT [ms] The vendor's talk
--   vendor_hold_ms BIGINT [ms] The vendor's hold
--   vendor_wait_ms BIGINT [ms] The vendor's wait
--   duration_difference_ms BIGINT [ms] Ours less theirs
--   talk_difference_ms BIGINT [ms] Ours less theirs
--   hold_difference_ms BIGINT [ms] Ours less theirs
--   wait_difference_ms BIGINT [ms] Ours less theirs
--   agrees BOOLEAN Whether all four agree within 1 s
select started_at, duration_ms, talk_ms, hold_ms, wait_ms, vendor_duration_ms, vendor_talk_ms, vendor_hold_ms, vendor_wait_ms, duration_difference_ms, talk_difference_ms, hold_difference_ms, wait_difference_ms, agrees
from reconciliation
where company = $company and call_id = $call_id
  and ($near_from is null or started_at >= $near_from) and ($near_until is null or started_at <= $near_until)
