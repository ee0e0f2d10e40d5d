-- question: How much of their time on duty do agents talk?
-- grain: agent with a phone; time within the period, within business hours and while the agent's status is available
-- key: agent
-- metrics: occupancy, is_phone_ready, is_phone_busy, is_available
-- result:
--   agent VARCHAR The agent: <company>_<extension>
--   company VARCHAR The company
--   extension VARCHAR The extension
--   name VARCHAR Name, the newest
--   ready_ms BIGINT [ms] Time registered, ringing or talking
--   busy_ms BIGINT [ms] Time talking
--   occupancy DOUBLE [share] busy / ready; null without a feed: no data is not idle
with clock as (select max(as_of) as as_of from builds),
open_hours as (select unnest($open_windows::struct(from_at timestamptz, until_at timestamptz)[], recursive := true)),
edges as (select min(from_at) as first_at, max(until_at) as last_at from open_hours),
spans as (
    select company, extension, kind, status, started_at as from_at, coalesce(ended_at, greatest(as_of, started_at)) as until_at
    from presence_intervals, clock
    where ($companies is null or list_contains($companies::varchar[], company))
      and ($agents is null or list_contains($agents::varchar[], agent_of(company, extension, null)))
      and ($start is null or coalesce(ended_at, as_of) >= $start) and ($stop is null or started_at < $stop)),
phone as (
    select company, extension, status, greatest(s.from_at, h.from_at) as from_at, least(s.until_at, h.until_at) as until_at
    from (from spans where kind = 'telephony' and is_phone_ready(status)) s join open_hours h on s.from_at < h.until_at and s.until_at > h.from_at),
shared as (
    select p.company, p.extension, p.status, epoch_ms(least(p.until_at, u.until_at)) - epoch_ms(greatest(p.from_at, u.from_at)) as ms
    from phone p join (from spans where kind = 'user' and is_available(status)) u
      on p.company = u.company and p.extension = u.extension and p.from_at < u.until_at and p.until_at > u.from_at),
counted as (select company, extension, sum(ms) as ready_ms, coalesce(sum(ms) filter (is_phone_busy(status)), 0) as busy_ms from shared group by all)
select agent_of(company, extension, null) as agent, company, extension, p.name, coalesce(ready_ms, 0) as ready_ms, coalesce(busy_ms, 0) as busy_ms,
    occupancy(busy_ms, ready_ms) as occupancy
from (select distinct company, extension from spans where kind = 'telephony') left join counted using (company, extension)
left join people p using (company, extension)
where ($departments is null or list_contains($departments::varchar[], p.department))
order by agent
