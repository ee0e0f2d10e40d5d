-- question: Where do outcome and abandoned differ?
-- grain: outcome, of inbound calls that have ended and that no person answered
-- key: outcome
-- metrics: is_abandoned, is_short_abandon, is_otherwise_abandoned
-- result:
--   outcome VARCHAR [code] The outcome
--   missed BIGINT [calls] Inbound calls that no person answered
--   abandoned BIGINT [calls] Of these abandoned after S
--   short_abandoned BIGINT [calls] Of these abandoned before S
--   not_abandoned BIGINT [calls] Of these not ended by the caller, or after a machine picked up
select outcome, count(*) as missed,
    count(*) filter (is_abandoned('inbound', abandoned, wait_ms, $short_ms)) as abandoned,
    count(*) filter (is_short_abandon('inbound', abandoned, wait_ms, $short_ms)) as short_abandoned,
    count(*) filter (is_unanswered('inbound', true, null, abandoned)) as not_abandoned
from (
    select outcome, abandoned, wait_ms
    from selected_misses($start, $stop, $companies, null, null, $open_minutes, $holidays, $time_zone)
    where not $of_calls_or_queues
    union all
    select outcome, abandoned, wait_ms
    from selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where $of_calls_or_queues and is_missed(direction, has_end, answered_by_at))
group by outcome
order by missed desc, outcome
