-- question: How far from the beginning of the list of calls does a page of it reach?
-- grain: one row, of the list of calls in order of started_at
-- result:
--   calls BIGINT [calls] The page's calls and those before it
--   edge_at TIMESTAMPTZ [UTC] Start of the page's last call
--   instants TIMESTAMPTZ[] [UTC] Starts of the page's calls and those before it; null where they are more than a few
select count(*) as calls, case when $descending then min(started_at) else max(started_at) end as edge_at,
    case when count(*) <= $few then list(distinct started_at) end as instants
from (
    select started_at
    from counted_hits($hits_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone,
    $part_of, $part, $figure, $short_ms, $outcomes, $causes, $categories, $ended_by, $number, $instants, $text, $whole_only, $text_key)
    order by case when $descending then -epoch_us(started_at) else epoch_us(started_at) end
    limit $limit + $offset)
