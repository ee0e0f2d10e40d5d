-- question: Which destinations fail?
-- grain: first five characters of the number outside, of outbound calls that have ended
-- key: prefix
-- metrics: answer_seizure_ratio, is_attempt, is_reached
-- result:
--   prefix VARCHAR First five characters of the number, without blanks; empty where there is none
--   attempts BIGINT [calls] Outbound calls that have ended
--   reached BIGINT [calls] Answered
--   failed BIGINT [calls] Failed in the network
--   answer_seizure_ratio DOUBLE [share] reached / attempts
select left(replace(coalesce(external_phone, ''), ' ', ''), 5) as prefix, count(*) as attempts,
    count(*) filter (is_reached(direction, has_end, answered_at)) as reached, count(*) filter (outcome = 'failed') as failed,
    answer_seizure_ratio(reached, attempts) as answer_seizure_ratio
from selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
where is_attempt(direction, has_end)
group by 1
order by attempts desc, prefix
