-- question: How long do agents talk?
-- grain: agent, of answered offers
-- key: agent
-- metrics: median_of, p90_of, p95_of
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
select agent_of(company, extension, user_id) as agent, arg_max(name, offered_at) as name, count(*) as answered, min(talk_ms) as shortest_ms,
    quantile_cont(talk_ms, 0.25) as p25_ms, median_of(talk_ms) as p50_ms, quantile_cont(talk_ms, 0.75) as p75_ms, p90_of(talk_ms) as p90_ms,
    p95_of(talk_ms) as p95_ms, max(talk_ms) as longest_ms
from selected_offers($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
where result = 'answered'
group by 1
order by answered desc, agent
