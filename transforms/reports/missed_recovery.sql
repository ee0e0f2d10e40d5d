-- question: Within what time are missed callers reached?
-- grain: step of time from the first miss to the contact that reached a person
-- key: place
-- metrics: time_to_recovery, is_missed
-- result:
--   place BIGINT Place in the order
--   within VARCHAR The step
--   above_ms BIGINT [ms] Reached after more than this; null: not reached
--   until_ms BIGINT [ms] And within this; null: no end
--   episodes BIGINT [episodes] Episodes
--   they_rang BIGINT [episodes] Of these, they rang again
--   we_called BIGINT [episodes] Of these, we called
with steps as (
    from (values (0, '15 min', -1, 900000), (1, '1 h', 900000, 3600000), (2, '4 h', 3600000, 14400000), (3, '1 day', 14400000, 86400000),
        (4, '3 days', 86400000, 259200000), (5, '7 days', 259200000, 604800000), (6, 'later', 604800000, null), (7, 'not yet', null, null))
        s(place, within, above_ms, until_ms)),
placed as (
    -- the bounds of the steps once more: looked up for each episode they cost more than all the rest
    select case when ms is null then 7 when ms <= 900000 then 0 when ms <= 3600000 then 1 when ms <= 14400000 then 2 when ms <= 86400000 then 3
            when ms <= 259200000 then 4 when ms <= 604800000 then 5 else 6 end as place,
        count(*) as episodes, count(*) filter (recovered_how = 'they rang again') as they_rang, count(*) filter (recovered_how = 'we called') as we_called
    from (select time_to_recovery(first_miss_at, recovered_at) as ms, recovered_how from selected_episodes($every_episode, $start, $stop, $companies, $queues, $trunks, $reasons, $open_minutes, $business_minutes, $holidays, $time_zone, $short_ms, $include_short))
    group by 1)
select place, within, above_ms, until_ms, coalesce(episodes, 0) as episodes, coalesce(they_rang, 0) as they_rang, coalesce(we_called, 0) as we_called
from steps left join placed using (place)
order by place
