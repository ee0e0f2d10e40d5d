-- question: How many missed calls are in the list?
-- grain: one row, of the list of missed calls
-- metrics: is_missed
-- result:
--   misses BIGINT [calls] Missed calls in the list
select count(*) as misses
from selected_misses($start, $stop, $companies, $queues, $trunks, $open_minutes, $holidays, $time_zone) m
where ($reasons is null or list_contains($reasons::varchar[], reason_of(m, $time_zone, $business_minutes, $holidays, $short_ms)))
  and ($number is null or external_key = $number)
  and case $figure when 'withheld' then external_key is null and counts_as_miss(abandoned, wait_ms, $short_ms, $include_short)
          when 'misses' then counts_as_miss(abandoned, wait_ms, $short_ms, $include_short) else true end
