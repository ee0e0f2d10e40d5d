-- question: When do calls come, and how do they go?
-- grain: local interval of started_at; intervals without calls are there too
-- key: interval_at
-- metrics: is_offered, is_answered, is_abandoned, is_short_abandon, is_unanswered, answer_rate
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
--   talk_ms BIGINT [ms] Talk of answered calls
with units as (
    select quarter_at, direction, has_end, picked_up, by_person, abandoned, waited_ms < $short_ms as short, sum(calls) as calls, sum(wait_ms) as wait_ms,
        sum(talk_ms) as talk_ms
    from counted_calls($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    group by all),
counted as (
    select
        interval_of(quarter_at, $time_zone, $grain, $first_weekday) as interval_at,
        sum(calls) as calls,
        sum(calls) filter (direction = 'inbound') as inbound,
        sum(calls) filter (direction = 'outbound') as outbound,
        sum(calls) filter (direction = 'internal') as internal,
        sum(calls) filter (is_offered(direction, has_end)) as offered,
        sum(calls) filter (direction = 'inbound' and is_answered(direction, has_end, picked_up, by_person)) as answered,
        sum(calls) filter (is_offered(direction, has_end) and abandoned and not short) as abandoned,
        sum(calls) filter (is_offered(direction, has_end) and abandoned and short) as short_abandoned,
        sum(calls) filter (is_unanswered(direction, has_end, by_person, abandoned)) as unanswered,
        sum(wait_ms) filter (is_offered(direction, has_end)) as offered_wait_ms,
        sum(talk_ms) filter (is_answered(direction, has_end, picked_up, by_person)) as talk_ms
    from units group by all),
every as (from intervals(coalesce($start, (select min(quarter_at) from units)), coalesce($stop, (select max(quarter_at) + interval 15 minutes from units)), $time_zone, $grain, $first_weekday))
select
    interval_at, coalesce(calls, 0) as calls, coalesce(inbound, 0) as inbound, coalesce(outbound, 0) as outbound, coalesce(internal, 0) as internal,
    coalesce(offered, 0) as offered, coalesce(answered, 0) as answered, coalesce(abandoned, 0) as abandoned,
    coalesce(short_abandoned, 0) as short_abandoned, coalesce(unanswered, 0) as unanswered,
    answer_rate(coalesce(answered, 0), offered, coalesce(short_abandoned, 0)) as answer_rate,
    abandonment_rate(coalesce(abandoned, 0), offered, coalesce(short_abandoned, 0)) as abandonment_rate,
    average_wait(offered_wait_ms, offered) as average_wait_ms, coalesce(talk_ms, 0) as talk_ms
from every left join counted using (interval_at)
order by interval_at
