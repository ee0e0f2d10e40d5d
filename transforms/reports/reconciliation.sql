-- question: Do our figures agree with the vendor's?
-- grain: one row; calls that started in the period, have ended and have a vendor's account
-- metrics: agrees
-- result:
--   calls BIGINT [calls] Calls compared
--   agree BIGINT [calls] All four figures within 1 s
--   agreement DOUBLE [share] agree / calls
--   duration_agree BIGINT [calls] Duration within 1 s
--   talk_agree BIGINT [calls] Talk within 1 s
--   hold_agree BIGINT [calls] Hold within 1 s
--   wait_agree BIGINT [calls] Wait within 1 s
--   talk_ms BIGINT [ms] Our talk, summed
--   vendor_talk_ms BIGINT [ms] The vendor's talk, summed
select count(agrees) as calls, count(*) filter (agrees) as agree, share(agree, calls) as agreement,
    count(*) filter (agrees(duration_ms, vendor_duration_ms)) as duration_agree, count(*) filter (agrees(talk_ms, vendor_talk_ms)) as talk_agree,
    count(*) filter (agrees(hold_ms, vendor_hold_ms)) as hold_agree, count(*) filter (agrees(wait_ms, vendor_wait_ms)) as wait_agree,
    coalesce(sum(talk_ms) filter (agrees is not null), 0) as talk_ms, coalesce(sum(vendor_talk_ms) filter (agrees is not null), 0) as vendor_talk_ms
from reconciliation
where ($start is null or started_at >= $start) and ($stop is null or started_at < $stop)
  and ($companies is null or list_contains($companies::varchar[], company))
