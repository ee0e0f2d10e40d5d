-- question: How good does the voice sound?
-- grain: one row; flows of the vendor's accounts that began in the period and have a MOS on either side
-- metrics: is_poor_voice
-- result:
--   rated BIGINT [flows] Flows with a MOS
--   poor BIGINT [flows] Of these with a MOS below 3.5 on either side
--   poor_share DOUBLE [share] poor / rated
--   worst DOUBLE [MOS] The lowest MOS of all
--   worst_company VARCHAR The company of its call
--   worst_call_id VARCHAR Its call
with heard as (
    select company, call_id, least(caller_mos, callee_mos) as mos
    from vendor_calls
    where coalesce(caller_mos, callee_mos) is not null
      and ($start is null or started_at >= $start) and ($stop is null or started_at < $stop)
      and ($companies is null or list_contains($companies::varchar[], company))
      and ($trunks is null or list_contains($trunks::varchar[], trunk_name)))
select count(*) as rated, count(*) filter (is_poor_voice(mos)) as poor, share(count(*) filter (is_poor_voice(mos)), count(*)) as poor_share,
    min(mos) as worst, arg_min(company, (mos, company, call_id)) as worst_company, arg_min(call_id, (mos, company, call_id)) as worst_call_id
from heard
