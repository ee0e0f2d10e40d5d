-- question: How many visits are in the list?
-- grain: one row, of the list of visits
-- result:
--   visits BIGINT [visits] Visits in the list
with settings as (
    select unnest($queue_settings::struct(queue_name varchar, within_ms bigint, short_ms bigint, goal double, formula varchar)[], recursive := true))
select count(*) as visits
from selected_visits($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone, $of_calls)
left join settings s using (queue_name)
where is_visit_figure($figure, result, wait_ms, coalesce(s.within_ms, $within_ms), coalesce(s.short_ms, $short_ms))
  and is_visit_part($part_of, $part, next_queue, wait_ms, entered_at, $time_zone)
