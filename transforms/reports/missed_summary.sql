-- question: How many missed callers are open, and how fast do we recover them?
-- grain: one row; episodes with a miss in the period
-- metrics: recovery_rate, episode_state, is_missed
-- result:
--   misses BIGINT [calls] Missed calls in the period that count
--   withheld BIGINT [calls] Of these without a number to call back
--   episodes BIGINT [episodes] Episodes
--   open BIGINT [episodes] Not reached yet, within the window
--   expired BIGINT [episodes] Not reached, the window is over
--   recovered BIGINT [episodes] Reached within the window
--   late BIGINT [episodes] Reached after it
--   recovery_rate DOUBLE [share] recovered / episodes
--   oldest_open_at TIMESTAMPTZ [UTC] First miss of the oldest open episode
--   median_recovery_ms DOUBLE [ms] Median time from the first miss to the contact that reached a person
--   tries BIGINT [calls] Our calls that reached nobody
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
    from grouped g join missed_episodes e using (company, external_key, episode), clock)
select
    (select count(*) from selected_misses($start, $stop, $companies, $queues, $trunks, $open_minutes, $holidays, $time_zone) where counts_as_miss(abandoned, wait_ms, $short_ms, $include_short)) as misses,
    (select count(*) from selected_misses($start, $stop, $companies, $queues, $trunks, $open_minutes, $holidays, $time_zone) where counts_as_miss(abandoned, wait_ms, $short_ms, $include_short) and external_key is null) as withheld,
    count(*) as episodes, count(*) filter (state = 'open') as open, count(*) filter (state = 'expired') as expired,
    count(*) filter (state = 'recovered') as recovered, count(*) filter (state = 'late') as late,
    recovery_rate(recovered, episodes) as recovery_rate, min(first_miss_at) filter (state = 'open') as oldest_open_at,
    median_of(epoch_ms(recovered_at) - epoch_ms(first_miss_at)) as median_recovery_ms, coalesce(sum(tries), 0) as tries
from found
