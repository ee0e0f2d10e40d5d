-- question: Which calls are these?
-- grain: call
-- key: company, call_id
-- result:
--   company VARCHAR The company
--   call_id VARCHAR The call
--   started_at TIMESTAMPTZ [UTC] Start
--   direction VARCHAR [code] inbound, outbound, internal or unknown
--   caller_phone VARCHAR [phone] The caller's number
--   caller_name VARCHAR [name] The caller's name
--   callee_phone VARCHAR [phone] The last callee's number
--   callee_name VARCHAR [name] The last callee's name
--   external_phone VARCHAR [phone] The number outside
--   answered_by_name VARCHAR [name] The first person who answered
--   answered_by_extension VARCHAR Their extension
--   queue_name VARCHAR The last queue
--   trunk_name VARCHAR The trunk
--   outcome VARCHAR [code] The outcome
--   abandoned BOOLEAN Whether the caller left before any answer
--   ended_by VARCHAR [code] Who ended it
--   end_cause_name VARCHAR Why it ended
--   wait_ms BIGINT [ms] Wait
--   talk_ms BIGINT [ms] Talk
--   hold_ms BIGINT [ms] Hold
--   duration_ms BIGINT [ms] From start to end
--   leg_count BIGINT [count] Legs
--   transfer_count BIGINT [count] Transfers
--   late_events BIGINT [count] Late events
select company, call_id, started_at, direction, caller_phone, caller_name, callee_phone, callee_name, external_phone, answered_by_name, answered_by_extension, queue_name, trunk_name, outcome, abandoned, ended_by, end_cause_name, wait_ms, talk_ms, hold_ms, duration_ms, leg_count, transfer_count, late_events
from listed_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone,
    $part_of, $part, $figure, $short_ms, $outcomes, $causes, $categories, $ended_by, $number, $instants, $text, $whole_only, $text_key)
order by case when not $descending then sort_key($order, started_at, wait_ms, talk_ms, hold_ms, duration_ms) end asc nulls last,
    case when $descending then sort_key($order, started_at, wait_ms, talk_ms, hold_ms, duration_ms) end desc nulls last, company, call_id
limit $limit offset $offset
