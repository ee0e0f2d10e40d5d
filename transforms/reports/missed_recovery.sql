-- question: Within what time are missed callers reached?
-- grain: step of time from the first miss to the contact that reached a person
-- key: place
-- metrics: is_missed
-- result:
--   place BIGINT Place in the order
--   within VARCHAR The step
--   episodes BIGINT [episodes] Episodes
--   they_rang BIGINT [episodes] Of these, they rang again
--   we_called BIGINT [episodes] Of these, we called
with chosen as (
    select distinct company, external_key, episode
    from selected_misses($start, $stop, $companies, $queues, $trunks, $open_minutes, $holidays, $time_zone) m
    where external_key is not null and counts_as_miss(abandoned, wait_ms, $short_ms, $include_short)
      and ($reasons is null or list_contains($reasons::varchar[], reason_of(m, $time_zone, $business_minutes, $holidays, $short_ms)))),
grouped as (
    select company, external_key, episode, count(*) as misses, min(started_at) as first_miss_at, max(started_at) as last_miss_at
    from missed_calls semi join chosen using (company, external_key, episode)
    where counts_as_miss(abandoned, wait_ms, $short_ms, $include_short)
    group by all),
clock as (select max(as_of) as as_of from builds),
found as (
    select g.company, g.external_key, g.episode, g.misses, g.first_miss_at, g.last_miss_at,
        len(list_filter(e.tried_at, lambda t: t >= g.first_miss_at)) as tries, e.recovered_at, e.recovered_how, e.recovered_call_id, e.recovered_by,
        episode_state(g.first_miss_at, e.recovered_at, as_of, $callback_days) as state, as_of
    from grouped g join missed_episodes e using (company, external_key, episode), clock),
steps as (
    from (values (0, '15 min', 900000), (1, '1 h', 3600000), (2, '4 h', 14400000), (3, '1 day', 86400000), (4, '3 days', 259200000), (5, '7 days', 604800000),
                 (6, 'later', 9223372036854775807)) s(place, within, until_ms)
    union all select 7, 'not yet', null)
select place, within, count(company) as episodes, count(company) filter (recovered_how = 'they rang again') as they_rang,
    count(company) filter (recovered_how = 'we called') as we_called
from steps
left join (
    select company, recovered_how,
        case when recovered_at is null then 7 else (select min(place) from steps where epoch_ms(recovered_at) - epoch_ms(first_miss_at) <= until_ms) end as place
    from found) using (place)
group by place, within
order by place
