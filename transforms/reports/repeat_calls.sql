-- question: Which callers had to call again?
-- grain: answered inbound call whose caller called again within the window
-- key: company, call_id
-- metrics: repeat_rate
-- result:
--   company VARCHAR The company
--   call_id VARCHAR The call
--   started_at TIMESTAMPTZ [UTC] Start
--   external_phone VARCHAR [phone] The number outside
--   caller_name VARCHAR [name] The caller's name
--   answered_by_name VARCHAR [name] The first person who answered
--   queue_name VARCHAR The last queue
--   talk_ms BIGINT [ms] Talk
--   again_at TIMESTAMPTZ [UTC] When the caller called again
--   after_ms BIGINT [ms] How long after the start of this call
with again as not materialized (
    select company, call_id, started_at, again_at from answered_callers
    where again_at <= started_at + to_hours(24 * $repeat_days) and started_at + to_hours(24 * $repeat_days) <= (select max(as_of) from builds)
      and ($start is null or started_at >= $start) and ($stop is null or started_at < $stop)),
page as (
    select * from again
    where not $of_calls_or_queues and ($companies is null or list_contains($companies::varchar[], company))
      and is_open(started_at, $time_zone, $open_minutes, $holidays)
    union all
    select * from again
    semi join selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone) using (started_at, company, call_id)
    where $of_calls_or_queues
    order by started_at desc, company, call_id
    limit $limit offset $offset)
select p.company, p.call_id, p.started_at, external_phone, caller_name, answered_by_name, queue_name, talk_ms, again_at,
    epoch_ms(again_at) - epoch_ms(p.started_at) as after_ms
from page p join calls c on c.started_at = p.started_at and c.company = p.company and c.call_id = p.call_id
order by p.started_at desc, p.company, p.call_id
