-- question: Where do the calls lie, and where did they change?
-- grain: one value of one dimension: company, direction, trunk, queue (the last one), department (of who answered), cause
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
    select company, direction, trunk_name, queue_name, answered_by_department, end_cause_name,
        count(*) as calls,
        count(*) filter (is_offered(direction, has_end)) as offered,
        count(*) filter (direction = 'inbound' and is_answered(direction, has_end, answered_at, answered_by_at)) as answered,
        count(*) filter (is_abandoned(direction, abandoned, wait_ms, $short_ms)) as abandoned,
        sum(talk_ms) filter (is_answered(direction, has_end, answered_at, answered_by_at)) as talk_ms
    from selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    group by all)
select
    case when grouping(company) = 0 then 'company' when grouping(direction) = 0 then 'direction' when grouping(trunk_name) = 0 then 'trunk'
        when grouping(queue_name) = 0 then 'queue' when grouping(answered_by_department) = 0 then 'department' else 'cause' end as dimension,
    coalesce(company, direction, trunk_name, queue_name, answered_by_department, end_cause_name) as value,
    sum(calls) as calls, sum(offered) as offered, sum(answered) as answered, sum(abandoned) as abandoned, coalesce(sum(talk_ms), 0) as talk_ms
from chosen
group by grouping sets ((company), (direction), (trunk_name), (queue_name), (answered_by_department), (end_cause_name))
having value is not null
order by dimension, calls desc, value
