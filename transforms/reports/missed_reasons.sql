-- question: Why are calls missed?
-- grain: reason, of missed calls in the period, short abandons and withheld numbers too
-- key: reason
-- metrics: missed_reason, is_missed
-- result:
--   reason VARCHAR [code] The first that holds: out_of_hours, short_abandon, failed, nobody_rang, rang_not_answered, abandoned_in_queue, other
--   misses BIGINT [calls] Missed calls
--   share DOUBLE [share] Of all missed calls
select reason_of(m, $time_zone, $business_minutes, $holidays, $short_ms) as reason, count(*) as misses, share(count(*), sum(count(*)) over ()) as share
from selected_misses($start, $stop, $companies, $queues, $trunks, $open_minutes, $holidays, $time_zone) m
group by 1
order by misses desc, reason
