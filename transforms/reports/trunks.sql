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
    select coalesce(value, '') as trunk_name, sum(ended) as attempts, sum(answered) as reached, sum(busy) as busy, sum(no_answer) as no_answer,
        sum(rejected) as rejected, sum(failed) as failed, sum(talk_ms) as talk_ms, sum(short_calls) as short_calls
    from counted_dimensions($whole_from, $whole_until, $rows_from, $rows_until, $but_from, $but_until, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where dimension = 'trunk' and direction = 'outbound'
    group by 1 having attempts > 0)
select trunk_name, attempts, reached, busy, no_answer, rejected, failed, answer_seizure_ratio(reached, attempts) as answer_seizure_ratio,
    network_effectiveness_ratio(reached, busy, no_answer, rejected, attempts) as network_effectiveness_ratio,
    average_talk(talk_ms, reached) as average_talk_ms, short_calls
from counted
order by attempts desc, trunk_name
