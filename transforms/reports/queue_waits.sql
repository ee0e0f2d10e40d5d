-- question: How long do people wait?
-- grain: step of 5 s of wait, the last one 600 s and more; of visits that began in the period and are over
-- key: from_s
-- result:
--   from_s BIGINT [s] Start of the step
--   answered BIGINT [visits] Answered
--   caller_left BIGINT [visits] Left by the caller, after however short a wait
--   overflowed BIGINT [visits] Went on to another queue
--   unanswered BIGINT [visits] Ended otherwise
select s.from_s, coalesce(answered, 0) as answered, coalesce(caller_left, 0) as caller_left, coalesce(overflowed, 0) as overflowed, coalesce(unanswered, 0) as unanswered
from (select unnest(range(0, 601, 5)) as from_s) s
left join (
    select least(waited_ms // 5000 * 5, 600) as from_s, sum(visits) filter (result = 'answered') as answered,
        sum(visits) filter (result = 'caller_left') as caller_left, sum(visits) filter (result = 'overflowed') as overflowed,
        sum(visits) filter (result = 'unanswered') as unanswered
    from counted_waits($visits_rolled, $month_from, $month_until, $month_rows_from, $month_rows_until, $month_but_from, $month_but_until, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone, $of_calls)
    where result <> 'open' and waited_ms is not null
    group by 1) using (from_s)
where from_s <= (select coalesce(max(least(waited_ms // 5000 * 5, 600)), -1) from counted_waits($visits_rolled, $month_from, $month_until, $month_rows_from, $month_rows_until, $month_but_from, $month_but_until, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone, $of_calls) where result <> 'open')
order by from_s
