-- question: How long do agents talk?
-- grain: agent, of answered offers; a talk that comes back after a transfer is another
-- key: agent
-- metrics: percentiles_of, median_of, p90_of, p95_of
-- result:
--   agent VARCHAR The agent: <company>_<extension>
--   name VARCHAR Name of the last offer
--   answered BIGINT [offers] Answered offers
--   shortest_ms BIGINT [ms] The shortest
--   p25_ms DOUBLE [ms] First quartile
--   p50_ms DOUBLE [ms] Median
--   p75_ms DOUBLE [ms] Third quartile
--   p90_ms DOUBLE [ms] 90th percentile
--   p95_ms DOUBLE [ms] 95th percentile
--   longest_ms BIGINT [ms] The longest
select company || '_' || own as agent, name, answered, talk[1]::bigint as shortest_ms, talk[2] as p25_ms, talk[3] as p50_ms, talk[4] as p75_ms,
    talk[5] as p90_ms, talk[6] as p95_ms, talk[7]::bigint as longest_ms
from (
    select company, coalesce(extension, user_id) as own, arg_max(name, offered_at) as name, count(*) as answered,
        percentiles_of(talk_ms, [0, 0.25, 0.5, 0.75, 0.9, 0.95, 1]) as talk
    from selected_offers($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where result = 'answered'
    group by 1, 2)
order by answered desc, agent
