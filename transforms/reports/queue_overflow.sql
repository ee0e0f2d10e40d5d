-- question: From which queue do callers go on to which?
-- grain: queue and next queue, of overflowed visits
-- key: queue_name, next_queue
-- metrics: is_visit_overflowed
-- result:
--   queue_name VARCHAR From
--   next_queue VARCHAR To
--   visits BIGINT [visits] Visits
select queue_name, next_queue, count(*) as visits
from selected_visits($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone, $of_calls)
where is_visit_overflowed(result)
group by all
order by visits desc, queue_name, next_queue
