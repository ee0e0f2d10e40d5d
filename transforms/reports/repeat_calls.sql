-- question: Which callers had to call again?
-- grain: answered inbound call whose caller called again within the window
-- key: company, call_id
-- metrics: repeat_rate
-- result:
--   company VARCHAR The company
--   call_id VARCHAR The call
--   started_at TIMESTAMPTZ [UTC] Start
--   external_phone VARCHAR The number outside
--   caller_name VARCHAR The caller's name
--   answered_by_name VARCHAR The first person who answered
--   queue_name VARCHAR The last queue
--   talk_ms BIGINT [ms] Talk
--   again_at TIMESTAMPTZ [UTC] When the caller called again
--   after_ms BIGINT [ms] How long after the start of this call
select company, call_id, started_at, external_phone, caller_name, answered_by_name, queue_name, talk_ms, again_at,
    epoch_ms(again_at) - epoch_ms(started_at) as after_ms
from selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
join (select company, call_id, started_at, again_at from answered_callers) a using (started_at, company, call_id)
where again_at <= started_at + to_hours(24 * $repeat_days) and started_at + to_hours(24 * $repeat_days) <= (select max(as_of) from builds)
order by started_at desc, company, call_id
limit $limit offset $offset
