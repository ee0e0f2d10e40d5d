-- question: When was this person there, and when in calls?
-- grain: interval of presence, clipped to the period
-- key: agent, kind, started_at
-- result:
--   agent VARCHAR The agent: <company>_<extension>
--   kind VARCHAR user (the status) or telephony (the phone)
--   status VARCHAR The status
--   started_at TIMESTAMPTZ [UTC] Start, or that of the period
--   ended_at TIMESTAMPTZ [UTC] End, or that of the period, or now (the build) where it goes on
--   duration_ms BIGINT [ms] From start to end
--   message VARCHAR The status message
--   goes_on BOOLEAN Whether it had not ended at the build
with clock as (select max(as_of) as as_of from builds)
select agent_of(company, extension, null) as agent, kind, status,
    greatest(p.started_at, coalesce($start, p.started_at)) as started_at,
    least(coalesce(p.ended_at, greatest(as_of, p.started_at)), coalesce($stop, coalesce(p.ended_at, greatest(as_of, p.started_at)))) as ended_at,
    epoch_ms(least(coalesce(p.ended_at, greatest(as_of, p.started_at)), coalesce($stop, coalesce(p.ended_at, greatest(as_of, p.started_at)))))
        - epoch_ms(greatest(p.started_at, coalesce($start, p.started_at))) as duration_ms,
    message, p.ended_at is null as goes_on
from presence_intervals p, clock
where ($companies is null or list_contains($companies::varchar[], company))
  and ($agents is null or list_contains($agents::varchar[], agent_of(company, extension, null)))
  and ($start is null or coalesce(p.ended_at, greatest(as_of, p.started_at)) > $start) and ($stop is null or p.started_at < $stop)
order by agent, kind, p.started_at
