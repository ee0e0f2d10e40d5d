-- question: What can be chosen in the filters?
-- grain: kind of filter and value, most calls first
-- key: kind, value
-- result:
--   kind VARCHAR company, pbx, direction, queue, trunk, department or agent
--   value VARCHAR What the filter is given
--   label VARCHAR What people read
--   rows BIGINT [count] Calls, visits of a queue, or people of a department
from (
    select 'company' as kind, company as value, company as label, sum(calls)::bigint as rows from calls_by_quarter group by company
    union all select 'direction', direction, direction, sum(calls)::bigint from calls_by_quarter group by direction
    union all select 'queue', queue_name, queue_name, sum(visits)::bigint from queues_by_quarter group by queue_name
    union all select 'pbx', pbx, pbx, count(*) from calls where pbx is not null group by pbx
    union all select 'trunk', value, value, sum(calls)::bigint from dimensions_by_day where dimension = 'trunk' group by value
    union all select 'department', department, department, count(*) from people where department is not null group by department
    union all select 'agent', agent_of(company, extension, null), concat_ws(' ', name, extension), 1 from people where user_id is not null)
where value is not null
order by kind, rows desc, label, value
