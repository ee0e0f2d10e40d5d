-- question: Which calls were missed, and why?
-- grain: missed call
-- key: company, call_id
-- metrics: missed_reason, is_missed
-- result:
--   company VARCHAR The company
--   call_id VARCHAR The call
--   started_at TIMESTAMPTZ [UTC] Start
--   external_phone VARCHAR [phone] The number; empty where withheld
--   caller_name VARCHAR [name] The name
--   reason VARCHAR [code] Why it was missed
--   outcome VARCHAR [code] The outcome
--   abandoned BOOLEAN Whether the caller left before any answer
--   wait_ms BIGINT [ms] Wait
--   users_rung BIGINT [count] Users who were rung
--   visits BIGINT [count] Queue visits
--   last_queue VARCHAR The last queue
--   external_key VARCHAR [phone] The caller: last nine digits; null where withheld
--   episode BIGINT Its episode
select company, call_id, started_at, external_phone, caller_name, reason_of(m, $time_zone, $business_minutes, $holidays, $short_ms) as reason,
    outcome, abandoned, wait_ms, users_rung, visits, last_queue, external_key, episode
from selected_misses($start, $stop, $companies, $queues, $trunks, $open_minutes, $holidays, $time_zone) m
where ($reasons is null or list_contains($reasons::varchar[], reason_of(m, $time_zone, $business_minutes, $holidays, $short_ms)))
  and ($number is null or external_key = $number)
  and case $figure when 'withheld' then external_key is null and counts_as_miss(abandoned, wait_ms, $short_ms, $include_short)
          when 'misses' then counts_as_miss(abandoned, wait_ms, $short_ms, $include_short) else true end
order by started_at desc, company, call_id
limit $limit offset $offset
