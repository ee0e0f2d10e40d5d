-- question: Which visits are these?
-- grain: queue visit
-- key: company, call_id, visit
-- metrics: is_visit_in_time, is_visit_abandoned, is_visit_short
-- result:
--   company VARCHAR The company
--   call_id VARCHAR The call
--   visit BIGINT Number of the visit in its call
--   queue_name VARCHAR The queue
--   entered_at TIMESTAMPTZ [UTC] Entry
--   answered_at TIMESTAMPTZ [UTC] Answer by a person
--   left_at TIMESTAMPTZ [UTC] Next visit, or the call's end
--   wait_ms BIGINT [ms] Wait
--   result VARCHAR [code] answered, overflowed, open, caller_left or unanswered
--   next_queue VARCHAR The next queue
--   answered_by_user_id VARCHAR Who answered
with settings as (
    select unnest($queue_settings::struct(queue_name varchar, within_ms bigint, short_ms bigint, goal double, formula varchar)[], recursive := true))
select v.company, v.call_id, v.visit, v.queue_name, v.entered_at, v.answered_at, v.left_at, v.wait_ms, v.result, v.next_queue, v.answered_by_user_id
from selected_visits($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone, $of_calls) v
left join settings s using (queue_name)
where is_visit_figure($figure, result, wait_ms, coalesce(s.within_ms, $within_ms), coalesce(s.short_ms, $short_ms))
  and is_visit_part($part_of, $part, next_queue, wait_ms, entered_at, $time_zone)
order by entered_at desc, v.company, v.call_id, v.visit
limit $limit offset $offset
