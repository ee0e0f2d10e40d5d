-- question: Which calls differ from the vendor's account?
-- grain: call that has a vendor's account, those that differ most in talk first
-- key: company, call_id
-- metrics: agrees
-- result:
--   company VARCHAR The company
--   call_id VARCHAR The call
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
select company, call_id, started_at, duration_ms, talk_ms, hold_ms, wait_ms, vendor_duration_ms, vendor_talk_ms, vendor_hold_ms, vendor_wait_ms, duration_difference_ms, talk_difference_ms, hold_difference_ms, wait_difference_ms, agrees
from reconciliation
where ($start is null or started_at >= $start) and ($stop is null or started_at < $stop)
  and ($companies is null or list_contains($companies::varchar[], company))
  and case $figure when 'differs' then not agrees when 'agrees' then agrees else true end
order by abs(talk_difference_ms) desc nulls last, started_at desc, company, call_id
limit $limit offset $offset
