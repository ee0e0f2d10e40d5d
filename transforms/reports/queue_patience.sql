-- question: When do people give up?
-- grain: step of 5 s of wait, of visits that began in the period and are over
-- key: from_s
-- metrics: patience
-- result:
--   from_s BIGINT [s] Start of the step
--   still_waiting BIGINT [visits] Visits with at least this wait
--   left BIGINT [visits] Of these, the caller hung up within the step
--   left_share DOUBLE [share] left / still waiting
--   surviving DOUBLE [share] Share that would still wait at the end of the step if nobody were answered
with steps as (
    select least(waited_ms // 5000 * 5, 600) as from_s, sum(visits) as visits, coalesce(sum(visits) filter (result = 'caller_left'), 0) as gone
    from counted_waits($visits_rolled, $month_from, $month_until, $month_rows_from, $month_rows_until, $month_but_from, $month_but_until, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone, $of_calls)
    where result <> 'open' and waited_ms is not null
    group by 1),
risk as (
    select s.from_s, coalesce(sum(visits) over (order by s.from_s desc), 0) as still_waiting, coalesce(gone, 0) as gone
    from (select unnest(range(0, 601, 5)) as from_s) s left join steps using (from_s))
select from_s, still_waiting, gone as left, patience(gone, still_waiting) as left_share,
    case when max(gone = still_waiting) over (order by from_s) then 0.0 else exp(sum(ln(1 - case when gone = still_waiting then 0 else patience(gone, still_waiting) end)) over (order by from_s)) end as surviving
from risk
where still_waiting > 0
order by from_s
