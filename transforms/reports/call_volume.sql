-- question: When do calls come, and how do they go?
-- grain: local interval of started_at; intervals without calls are there too
-- key: interval_at
-- metrics: is_offered, is_answered, is_abandoned, is_short_abandon, is_unanswered, answer_rate, average_talk
-- result:
--   interval_at TIMESTAMPTZ [UTC] Start of the interval
--   calls BIGINT [calls] All calls
--   inbound BIGINT [calls] Inbound calls
--   outbound BIGINT [calls] Outbound calls
--   internal BIGINT [calls] Internal calls
--   offered BIGINT [calls] Inbound calls that have ended
--   answered BIGINT [calls] Answered by a person
--   abandoned BIGINT [calls] Abandoned after S
--   short_abandoned BIGINT [calls] Abandoned before S
--   unanswered BIGINT [calls] Ended otherwise, no person answered
--   answer_rate DOUBLE [share] answered / (offered − short)
--   abandonment_rate DOUBLE [share] abandoned / (offered − short)
--   average_wait_ms DOUBLE [ms] Average wait of offered calls
--   talked BIGINT [calls] Answered calls of all directions
--   talk_ms BIGINT [ms] Their talk time
--   average_talk_ms DOUBLE [ms] talk / talked
with counted as (
    select quarter_at,
        sum(calls) as calls,
        sum(calls) filter (direction = 'inbound') as inbound,
        sum(calls) filter (direction = 'outbound') as outbound,
        sum(calls) filter (direction = 'internal') as internal,
        sum(ended) filter (direction = 'inbound') as offered,
        sum(answered) filter (direction = 'inbound') as answered,
        sum(unanswered) as unanswered,
        sum(left_waiting) as left_waiting,
        sum(wait_ms) filter (direction = 'inbound') as offered_wait_ms,
        sum(answered) as talked,
        sum(talk_ms) as talk_ms
    from counted_calls($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    group by all),
short as (
    select quarter_at, sum(calls) as short_abandoned
    from counted_abandons($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where is_short_abandon(direction, true, waited_ms, $short_ms) group by all),
placed as (
    select interval_of(quarter_at, $time_zone, $grain, $first_weekday) as interval_at, counted.* exclude (quarter_at), short_abandoned
    from counted left join short using (quarter_at)
    union all by name
    select interval_at from intervals(coalesce($start, (select min(quarter_at) from counted)),
        coalesce($stop, (select max(quarter_at) + interval 15 minutes from counted)), $time_zone, $grain, $first_weekday))
select
    interval_at, coalesce(sum(calls), 0) as calls, coalesce(sum(inbound), 0) as inbound, coalesce(sum(outbound), 0) as outbound,
    coalesce(sum(internal), 0) as internal, coalesce(sum(offered), 0) as offered, coalesce(sum(answered), 0) as answered,
    coalesce(sum(left_waiting), 0) - coalesce(sum(short_abandoned), 0) as abandoned,
    coalesce(sum(short_abandoned), 0) as short_abandoned, coalesce(sum(unanswered), 0) as unanswered,
    answer_rate(coalesce(sum(answered), 0), sum(offered), coalesce(sum(short_abandoned), 0)) as answer_rate,
    abandonment_rate(coalesce(sum(left_waiting), 0) - coalesce(sum(short_abandoned), 0), sum(offered), coalesce(sum(short_abandoned), 0)) as abandonment_rate,
    average_wait(sum(offered_wait_ms), sum(offered)) as average_wait_ms,
    coalesce(sum(talked), 0) as talked, coalesce(sum(talk_ms), 0) as talk_ms, average_talk(sum(talk_ms), sum(talked)) as average_talk_ms
from placed
group by interval_at
order by interval_at
