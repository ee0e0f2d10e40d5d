-- question: When was this person there, and when in calls?
-- grain: interval of presence, clipped to the period
-- key: agent, kind, started_at
-- result:
--   agent VARCHAR The agent: <company>_<extension>
--   kind VARCHAR [code] user (the status) or telephony (the phone)
--   status VARCHAR The status
--   started_at TIMESTAMPTZ [UTC] Start, or that of the period
--   ended_at TIMESTAMPTZ [UTC] End, or that of the period, or now (the build) where it goes on
--   duration_ms BIGINT [ms] From start to end
--   message VARCHAR [name] The status message
--   goes_on BOOLEAN Whether it had not ended at the build
select agent, kind, status, from_at as started_at, until_at as ended_at, epoch_ms(until_at) - epoch_ms(from_at) as duration_ms, message, goes_on
from agent_presences($start, $stop, $companies, $agents)
order by agent, kind, from_at
