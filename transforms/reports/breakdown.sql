-- question: Where do the calls lie, and where did they change?
-- grain: one value of one dimension: company, direction, trunk, queue (a call once in each that it visited), department (of who answered), cause
-- key: dimension, value
-- metrics: is_offered, is_answered, is_abandoned
-- result:
--   dimension VARCHAR company, direction, trunk, queue, department or cause
--   value VARCHAR Its value
--   calls BIGINT [calls] Calls
--   offered BIGINT [calls] Inbound calls that have ended
--   answered BIGINT [calls] Of these answered by a person
--   abandoned BIGINT [calls] Of these abandoned after S
--   talk_ms BIGINT [ms] Talk of answered calls
with chosen as (
    select company, dimension, value, direction, sum(calls) as calls, sum(ended) as ended, sum(answered) as answered, sum(left_waiting) as left_waiting,
        sum(talk_ms) as talk_ms
    from counted_dimensions($whole_from, $whole_until, $rows_from, $rows_until, $but_from, $but_until, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where dimension in ('direction', 'trunk', 'queue', 'department', 'cause')
    group by 1, 2, 3, 4),
counted as (
    select dimension, value, sum(calls) as calls, coalesce(sum(ended) filter (direction = 'inbound'), 0) as offered,
        coalesce(sum(answered) filter (direction = 'inbound'), 0) as answered, sum(left_waiting) as left_waiting, sum(talk_ms) as talk_ms
    from (from chosen union all by name select * replace ('company' as dimension, company as value) from chosen where dimension = 'direction')
    where value is not null
    group by 1, 2),
left_early as (
    select company, 'inbound' as direction, trunk_name, queues, end_cause_name
    from selected_misses($start, $stop, $companies, null, null, null, null, $time_zone)
    where $days_rolled and is_short_abandon('inbound', abandoned, wait_ms, $short_ms)
    union all
    select company, direction, trunk_name, queues, end_cause_name
    from selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    join (select company, call_id, queues from missed_calls where ($start is null or started_at >= $start) and ($stop is null or started_at < $stop)) m
        using (company, call_id)
    where not $days_rolled and is_short_abandon(direction, abandoned, wait_ms, $short_ms)),
short as (
    select dimension, value, sum(calls) as short_abandoned
    from (
        select case when grouping(company) = 0 then 'company' when grouping(direction) = 0 then 'direction' when grouping(trunk_name) = 0 then 'trunk'
                when grouping(queues) = 0 then 'queue' else 'cause' end as dimension,
            unnest(case when grouping(queues) = 0 then queues else [coalesce(company, direction, trunk_name, end_cause_name)] end) as value, count(*) as calls
        from left_early
        group by grouping sets ((company), (direction), (trunk_name), (queues), (end_cause_name)))
    group by 1, 2)
select dimension, value, calls, offered, answered, left_waiting - coalesce(short_abandoned, 0) as abandoned, talk_ms
from counted left join short using (dimension, value)
order by dimension, calls desc, value
