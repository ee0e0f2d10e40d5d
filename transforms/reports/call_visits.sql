-- question: In which queues did it wait?
-- grain: queue visit of the call
-- result:
--   visit BIGINT [count] Number of the visit in its call, from 0
--   queue_name VARCHAR The queue
--   queue_id VARCHAR Queue id, last non-null of the visit
--   entered_at TIMESTAMPTZ [UTC] Start of the visit's first state
--   left_at TIMESTAMPTZ [UTC] Entry of the next visit, else the call's end; null while open
--   answered_at TIMESTAMPTZ [UTC] First talking or held state whose callee is a person
--   answered_by_user_id VARCHAR User id of that person
--   wait_ms BIGINT [ms] Until the answer, else until the visit was left; null while neither is known
--   next_queue VARCHAR Queue of the call's next visit
--   result VARCHAR [code] answered, overflowed, open, caller_left or unanswered
select visit, queue_name, queue_id, entered_at, left_at, answered_at, answered_by_user_id, wait_ms, next_queue, result
from queue_visits
where company = $company and call_id = $call_id
  and ($near_from is null or entered_at >= $near_from) and ($near_until is null or entered_at <= $near_until)
order by visit
