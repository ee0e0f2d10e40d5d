-- question: Who called in vain and still waits for us?
-- grain: episode: one caller from a first missed call to the first contact that reached a person; episodes with a miss in the period
-- key: company, external_key, episode
-- metrics: is_missed, missed_reason, episode_state, callback_priority
-- result:
--   company VARCHAR The company
--   external_key VARCHAR The caller: last nine digits of the number
--   episode BIGINT Number of the episode
--   state VARCHAR open, expired (the window is over), recovered or late (reached after the window)
--   external_phone VARCHAR The number, as of the last missed call
--   caller_name VARCHAR The name, likewise
--   misses BIGINT [calls] Missed calls of the episode
--   tries BIGINT [calls] Our calls since the first that reached nobody
--   first_miss_at TIMESTAMPTZ [UTC] The first missed call
--   last_miss_at TIMESTAMPTZ [UTC] The last
--   reason VARCHAR Why the last was missed
--   last_queue VARCHAR The last queue
--   last_call_id VARCHAR The last missed call
--   age_ms BIGINT [ms] Since the first miss until it was recovered, else until now (the build)
--   priority DOUBLE [hours] misses × hours since the first
--   recovered_at TIMESTAMPTZ [UTC] First contact that reached a person
--   recovered_how VARCHAR they rang again or we called
--   recovered_by VARCHAR Our person in it
--   recovered_call_id VARCHAR That call
with chosen as (
    select distinct company, external_key, episode
    from selected_misses($start, $stop, $companies, $queues, $trunks, $open_minutes, $holidays, $time_zone) m
    where external_key is not null and counts_as_miss(abandoned, wait_ms, $short_ms, $include_short)
      and ($reasons is null or list_contains($reasons::varchar[], reason_of(m, $time_zone, $business_minutes, $holidays, $short_ms)))),
grouped as (
    select company, external_key, episode, count(*) as misses, min(started_at) as first_miss_at, max(started_at) as last_miss_at,
        max({'started_at': started_at, 'call_id': call_id, 'phone': external_phone, 'name': caller_name, 'queue_name': last_queue,
              'abandoned': abandoned, 'wait_ms': wait_ms, 'outcome': outcome, 'users_rung': users_rung, 'users_unanswered': users_unanswered,
              'visits': visits}) as last
    from missed_calls semi join chosen using (company, external_key, episode)
    where counts_as_miss(abandoned, wait_ms, $short_ms, $include_short)
    group by all),
clock as (select max(as_of) as as_of from builds),
found as (
    select g.company, g.external_key, g.episode, g.misses, g.first_miss_at, g.last_miss_at, last.call_id as last_call_id,
        last.phone as external_phone, last.name as caller_name, last.queue_name as last_queue, reason_of(last, $time_zone, $business_minutes, $holidays, $short_ms) as reason,
        len(list_filter(e.tried_at, lambda t: t >= g.first_miss_at)) as tries, e.recovered_at, e.recovered_how, e.recovered_call_id, e.recovered_by,
        episode_state(g.first_miss_at, e.recovered_at, as_of, $callback_days) as state, as_of
    from grouped g join missed_episodes e using (company, external_key, episode), clock)
select company, external_key, episode, state, external_phone, caller_name, misses, tries, first_miss_at, last_miss_at, reason, last_queue, last_call_id,
    epoch_ms(coalesce(recovered_at, as_of)) - epoch_ms(first_miss_at) as age_ms,
    callback_priority(misses, first_miss_at, coalesce(recovered_at, as_of)) as priority,
    recovered_at, recovered_how, recovered_by, recovered_call_id
from found
where ($states is null or list_contains($states::varchar[], state))
order by state = 'open' desc, priority desc, company, external_key, episode
limit $limit offset $offset
