-- question: How long do callers wait and talk: the usual case and the bad one?
-- grain: one row; calls that started in the period and have ended
-- metrics: longest_wait, percentiles_of, median_of, p90_of, p95_of, is_offered, is_abandoned, is_answered
-- result:
--   wait_p50_ms DOUBLE [ms] Median wait of inbound calls
--   wait_p90_ms DOUBLE [ms] 90th percentile
--   wait_p95_ms DOUBLE [ms] 95th percentile
--   longest_wait_ms BIGINT [ms] The longest
--   longest_company VARCHAR Its company
--   longest_call_id VARCHAR Its call
--   abandoned_p50_ms DOUBLE [ms] Median wait of abandoned calls
--   abandoned_p90_ms DOUBLE [ms] 90th percentile
--   talk_p50_ms DOUBLE [ms] Median talk of answered calls of all directions
--   talk_p90_ms DOUBLE [ms] 90th percentile
--   talk_p95_ms DOUBLE [ms] 95th percentile
with ended as not materialized (
    -- Not materialized: to scan these rows twice takes half as long as to keep them.
    select * from selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where has_end),
counted as (
    select percentiles_of(case when direction = 'inbound' then wait_ms end, [0.5, 0.9, 0.95]) as waited,
        longest_wait(case when direction = 'inbound' then wait_ms end) as longest_wait_ms,
        percentiles_of(case when is_abandoned(direction, abandoned, wait_ms, $short_ms) then wait_ms end, [0.5, 0.9]) as gave_up,
        percentiles_of(case when is_answered(direction, has_end, answered_at, answered_by_at) then talk_ms end, [0.5, 0.9, 0.95]) as talked
    from ended where not $times_rolled),
-- Where whole months are asked for, a histogram of theirs says in which steps the percentiles lie, and only the calls of these few
-- steps are put in order: over years that takes less than half the time.
steps as (
    select measure, step_ms, sum(calls)::bigint as calls, sum(sum(calls)) over (partition by measure order by step_ms)::bigint as up_to
    from counted_times($times_rolled, $call_months_from, $call_months_until, $call_months_rows_from, $call_months_rows_until, $call_months_but_from, $call_months_but_until,
        $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where step_ms is not null and (measure <> 'left' or step_ms >= $short_ms)
    group by measure, step_ms),
places as (
    select measure, share, place, unnest([floor(place), ceil(place)])::bigint as nth
    from (select measure, share, (sum(calls) - 1) * share as place from steps, (select unnest([0.5, 0.9, 0.95, 1]) as share) group by measure, share)),
found as materialized (
    select measure, share, place, nth, step_ms, nth - (up_to - calls) as nth_in_step
    from places join steps using (measure) where nth >= up_to - calls and nth < up_to),
in_steps as (
    -- Whether a call is one of those that a measure is of is asked last, of the few calls of the steps alone.
    select 'wait' as measure, step_of(wait_ms) as step_ms, list(wait_ms) as times, list(wait_ms) filter (is_abandoned(direction, abandoned, wait_ms, $short_ms)) as left_times
    from ended where $times_rolled and direction = 'inbound' and step_of(wait_ms) in (select step_ms from found where measure <> 'talk')
    group by 2
    union all
    select 'talk', step_of(talk_ms), list(talk_ms) filter (is_answered(direction, has_end, answered_at, answered_by_at)), null
    from ended where $times_rolled and step_of(talk_ms) in (select step_ms from found where measure = 'talk')
    group by 2),
in_order as (
    select measure, step_ms, list_sort(times) as times
    from (select measure, step_ms, times from in_steps union all select 'left', step_ms, left_times from in_steps)),
asked as (select measure, step_ms, list({'share': share, 'place': place, 'nth': nth_in_step}) as places from found group by measure, step_ms),
told as (
    select measure, unnest(list_transform(places, lambda p: {'share': p.share, 'place': p.place, 'ms': times[p.nth + 1]}), recursive := true)
    from asked join in_order using (measure, step_ms)),
percentiles as (
    select measure, share, min(ms) + (max(ms) - min(ms)) * (any_value(place) - floor(any_value(place))) as ms from told group by measure, share),
looked_up as (
    select list(ms order by share) filter (measure = 'wait') as waited, list(ms order by share) filter (measure = 'left') as gave_up,
        list(ms order by share) filter (measure = 'talk') as talked, longest_wait(case when measure = 'wait' then ms end)::bigint as longest_wait_ms
    from percentiles),
known as (
    select coalesce(l.waited, c.waited) as waited, coalesce(l.gave_up, c.gave_up) as gave_up, coalesce(l.talked, c.talked) as talked,
        coalesce(l.longest_wait_ms, c.longest_wait_ms) as longest_wait_ms
    from counted c, looked_up l),
longest as (
    select min({'company': company, 'call_id': call_id}) as call from ended
    where direction = 'inbound' and wait_ms = (select longest_wait_ms from known))
select waited[1] as wait_p50_ms, waited[2] as wait_p90_ms, waited[3] as wait_p95_ms, longest_wait_ms, call.company as longest_company,
    call.call_id as longest_call_id, gave_up[1] as abandoned_p50_ms, gave_up[2] as abandoned_p90_ms,
    talked[1] as talk_p50_ms, talked[2] as talk_p90_ms, talked[3] as talk_p95_ms
from known, longest
