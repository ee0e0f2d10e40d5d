-- question: How many missed callers are open, and how fast do we recover them?
-- grain: one row; episodes with a miss in the period
-- metrics: episode_state, recovery_rate, time_to_recovery, tries, is_missed
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
with clock as (select max(as_of) as as_of from builds),
found as (
    select misses, tries, first_miss_at, recovered_at, episode_state(first_miss_at, recovered_at, as_of, $callback_days) as state
    from selected_episodes($every_episode, $start, $stop, $companies, $queues, $trunks, $reasons, $open_minutes, $business_minutes, $holidays, $time_zone, $short_ms, $include_short), clock),
called as (
    select count(*) as misses, count(*) filter (external_key is null) as withheld
    from selected_misses($start, $stop, $companies, $queues, $trunks, $open_minutes, $holidays, $time_zone)
    where counts_as_miss(abandoned, wait_ms, $short_ms, $include_short)),
counted as (
    select count(*) as episodes, count(*) filter (state = 'open') as open, count(*) filter (state = 'expired') as expired,
        count(*) filter (state = 'recovered') as recovered, count(*) filter (state = 'late') as late,
        min(first_miss_at) filter (state = 'open') as oldest_open_at,
        median_of(time_to_recovery(first_miss_at, recovered_at)) as median_recovery_ms, coalesce(sum(tries), 0) as tries
    from found)
select called.misses, withheld, episodes, open, expired, recovered, late, recovery_rate(recovered, episodes) as recovery_rate, oldest_open_at,
    median_recovery_ms, tries
from called, counted
