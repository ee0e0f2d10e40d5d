-- question: Who called in vain and still waits for us?
-- grain: episode: one caller from a first missed call to the first contact that reached a person; episodes with a miss in the period
-- key: company, external_key, episode
-- metrics: is_missed, missed_reason, episode_state, waits_since, tries, callback_priority
-- result:
--   company VARCHAR The company
--   external_key VARCHAR [phone] The caller: last nine digits of the number
--   episode BIGINT Number of the episode
--   state VARCHAR [code] open, expired (the window is over), recovered or late (reached after the window)
--   external_phone VARCHAR [phone] The number, as of the last missed call
--   caller_name VARCHAR [name] The name, likewise
--   misses BIGINT [calls] Missed calls of the episode
--   tries BIGINT [calls] Our calls since the first that reached nobody
--   first_miss_at TIMESTAMPTZ [UTC] The first missed call
--   last_miss_at TIMESTAMPTZ [UTC] The last
--   reason VARCHAR [code] Why the last was missed
--   last_queue VARCHAR The last queue
--   last_call_id VARCHAR The last missed call
--   age_ms BIGINT [ms] Since the first miss until it was recovered, else until now (the build)
--   priority DOUBLE [hours] misses × hours since the first
--   recovered_at TIMESTAMPTZ [UTC] First contact that reached a person
--   recovered_how VARCHAR they rang again or we called
--   recovered_by VARCHAR [name] Our person in it
--   recovered_call_id VARCHAR That call
with clock as (select max(as_of) as as_of from builds),
page as (
    select e.*, as_of, episode_state(first_miss_at, recovered_at, as_of, $callback_days) as state,
        callback_priority(misses, first_miss_at, coalesce(recovered_at, as_of)) as priority
    from selected_episodes($every_episode, $start, $stop, $companies, $queues, $trunks, $reasons, $open_minutes, $business_minutes, $holidays, $time_zone, $short_ms, $include_short) e, clock
    where ($states is null or list_contains($states::varchar[], state))
    order by state = 'open' desc, priority desc, company, external_key, episode
    limit $limit offset $offset)
select p.company, p.external_key, p.episode, state, m.external_phone, m.caller_name, misses, tries, first_miss_at, last_miss_at,
    reason_of(m, $time_zone, $business_minutes, $holidays, $short_ms) as reason, m.last_queue, last_call_id,
    waits_since(first_miss_at, recovered_at, as_of) as age_ms, priority, recovered_at, recovered_how, recovered_by, recovered_call_id
from page p join missed_calls m on m.started_at = p.last_miss_at and m.company = p.company and m.call_id = p.last_call_id
order by state = 'open' desc, priority desc, p.company, p.external_key, p.episode
