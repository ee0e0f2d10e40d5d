-- question: Is a trunk sick?
-- grain: trunk, of outbound calls that have ended
-- key: trunk_name
-- metrics: answer_seizure_ratio, network_effectiveness_ratio, average_talk, is_attempt, is_reached
-- result:
--   trunk_name VARCHAR The trunk; empty where there is none
--   attempts BIGINT [calls] Outbound calls that have ended
--   reached BIGINT [calls] Answered
--   busy BIGINT [calls] Busy
--   no_answer BIGINT [calls] No answer, or given up by us
--   rejected BIGINT [calls] Rejected
--   failed BIGINT [calls] Failed in the network
--   answer_seizure_ratio DOUBLE [share] reached / attempts
--   network_effectiveness_ratio DOUBLE [share] (reached + busy + no answer + rejected) / attempts
--   average_talk_ms DOUBLE [ms] Talk / reached
--   short_calls BIGINT [calls] Answered, talk below 10 s
with counted as (
    select coalesce(trunk_name, '') as trunk_name, count(*) as attempts, count(*) filter (is_reached(direction, has_end, answered_at)) as reached,
        count(*) filter (outcome = 'busy') as busy, count(*) filter (outcome in ('no_answer', 'abandoned')) as no_answer,
        count(*) filter (outcome = 'rejected') as rejected, count(*) filter (outcome = 'failed') as failed,
        sum(talk_ms) filter (is_reached(direction, has_end, answered_at)) as talk_ms,
        count(*) filter (is_short_call(has_end, answered_at, talk_ms)) as short_calls
    from selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where is_attempt(direction, has_end)
    group by 1)
select trunk_name, attempts, reached, busy, no_answer, rejected, failed, answer_seizure_ratio(reached, attempts) as answer_seizure_ratio,
    network_effectiveness_ratio(reached, busy, no_answer, rejected, attempts) as network_effectiveness_ratio,
    average_talk(talk_ms, reached) as average_talk_ms, short_calls
from counted
order by attempts desc, trunk_name
