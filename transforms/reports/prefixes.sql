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
select value as prefix, sum(ended) as attempts, sum(answered) as reached, sum(failed) as failed, answer_seizure_ratio(reached, attempts) as answer_seizure_ratio
from counted_dimensions($whole_from, $whole_until, $rows_from, $rows_until, $but_from, $but_until, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
where dimension = 'prefix'
group by 1
order by attempts desc, prefix
