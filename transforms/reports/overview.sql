-- question: Are we answering, and better or worse than usual?
-- grain: one row; calls that started in the period
-- metrics: is_offered, is_answered, is_abandoned, is_short_abandon, is_missed, is_unanswered, is_picked_up, answer_rate, abandonment_rate, is_attempt, is_reached, average_wait, average_talk, average_handling_time, time_to_abandon, talk_time, hold_time, holds, transfers, is_in_progress, is_lost
-- result:
--   calls BIGINT [calls] All calls
--   inbound BIGINT [calls] Inbound calls
--   outbound BIGINT [calls] Outbound calls
--   internal BIGINT [calls] Internal calls
--   unknown_direction BIGINT [calls] Calls of unknown direction
--   offered BIGINT [calls] Inbound calls that have ended
--   answered BIGINT [calls] Of these answered by a person
--   abandoned BIGINT [calls] Of these abandoned after S
--   short_abandoned BIGINT [calls] Of these abandoned before S
--   unanswered BIGINT [calls] Of these ended otherwise, no person answered
--   missed BIGINT [calls] Of these not answered by a person
--   picked_up BIGINT [calls] Of these picked up by no person
--   answer_rate DOUBLE [share] answered / (offered − short)
--   abandonment_rate DOUBLE [share] abandoned / (offered − short)
--   attempts BIGINT [calls] Outbound calls that have ended
--   reached BIGINT [calls] Of these answered
--   reach_rate DOUBLE [share] reached / attempts
--   average_wait_ms DOUBLE [ms] Average wait of offered calls
--   time_to_abandon_ms DOUBLE [ms] Average wait of abandoned calls
--   talked BIGINT [calls] Answered calls of all directions
--   talk_ms BIGINT [ms] Their talk time
--   hold_ms BIGINT [ms] Their hold time
--   average_talk_ms DOUBLE [ms] talk / talked
--   handling_ms DOUBLE [ms] (talk + hold) / talked, without wrap-up
--   holds BIGINT [count] Their holds
--   transfers BIGINT [count] Their transfers
--   short_calls BIGINT [calls] Answered, talk below 10 s
--   voicemails BIGINT [calls] With the flag voicemail
--   in_progress BIGINT [calls] Still open
--   lost BIGINT [calls] Without an end
select
    calls, inbound, outbound, internal, calls - inbound - outbound - internal as unknown_direction,
    offered, answered, abandoned, short_abandoned, unanswered, offered - answered as missed, picked_up,
    answer_rate(answered, offered, short_abandoned) as answer_rate,
    abandonment_rate(abandoned, offered, short_abandoned) as abandonment_rate,
    attempts, reached, share(reached, attempts) as reach_rate,
    average_wait(offered_wait_ms, offered) as average_wait_ms,
    time_to_abandon(abandoned_wait_ms, abandoned) as time_to_abandon_ms,
    talked, talk_ms, hold_ms, average_talk(talk_ms, talked) as average_talk_ms, average_handling_time(talk_ms, hold_ms, talked) as handling_ms,
    holds, transfers, short_calls, voicemails, in_progress, lost
from (
    select
        coalesce(sum(calls), 0) as calls,
        coalesce(sum(calls) filter (direction = 'inbound'), 0) as inbound,
        coalesce(sum(calls) filter (direction = 'outbound'), 0) as outbound,
        coalesce(sum(calls) filter (direction = 'internal'), 0) as internal,
        coalesce(sum(ended) filter (direction = 'inbound'), 0) as offered,
        coalesce(sum(answered) filter (direction = 'inbound'), 0) as answered,
        coalesce(sum(unanswered), 0) as unanswered,
        coalesce(sum(picked_up), 0) as picked_up,
        coalesce(sum(ended) filter (direction = 'outbound'), 0) as attempts,
        coalesce(sum(answered) filter (direction = 'outbound'), 0) as reached,
        sum(wait_ms) filter (direction = 'inbound') as offered_wait_ms,
        coalesce(sum(answered), 0) as talked,
        coalesce(sum(talk_ms), 0) as talk_ms,
        coalesce(sum(hold_ms), 0) as hold_ms,
        coalesce(sum(holds), 0) as holds,
        coalesce(sum(transfers), 0) as transfers,
        coalesce(sum(short_calls), 0) as short_calls,
        coalesce(sum(voicemails), 0) as voicemails,
        coalesce(sum(in_progress), 0) as in_progress,
        coalesce(sum(lost), 0) as lost
    from counted_calls($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)),
(
    select
        coalesce(sum(calls) filter (is_abandoned(direction, true, waited_ms, $short_ms)), 0) as abandoned,
        coalesce(sum(calls) filter (is_short_abandon(direction, true, waited_ms, $short_ms)), 0) as short_abandoned,
        sum(wait_ms) filter (is_abandoned(direction, true, waited_ms, $short_ms)) as abandoned_wait_ms
    from counted_abandons($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone))
