-- question: When did this person's phone ring, when did they talk, and when were they on hold?
-- grain: phase of a part of a call with this person, within the period
-- key: agent, company, call_id, leg, from_at
-- result:
--   agent VARCHAR The agent: <company>_<extension>
--   company VARCHAR The company
--   call_id VARCHAR The call
--   leg BIGINT Number of the leg; −1: they made the call
--   phase VARCHAR [code] ringing, talking, held or other
--   other_phone VARCHAR [phone] The other side's number
--   other_name VARCHAR [name] The other side's name
--   from_at TIMESTAMPTZ [UTC] Start, or that of the period
--   until_at TIMESTAMPTZ [UTC] End, or that of the period; while open now (the build), of a lost call its last event
--   duration_ms BIGINT [ms] From start to end
select p.agent, p.company, p.call_id, p.leg, s.phase, p.other_phone, p.other_name, greatest(s.started_at, p.from_at) as from_at,
    least(coalesce(s.ended_at, p.until_at), p.until_at) as until_at,
    epoch_ms(least(coalesce(s.ended_at, p.until_at), p.until_at)) - epoch_ms(greatest(s.started_at, p.from_at)) as duration_ms
from (from agent_parts($start, $stop, $companies, $agents)) p
join (select company, call_id, phase, started_at, ended_at from call_states
      where ($start is null or started_at > $start::timestamptz - interval 7 days) and ($stop is null or started_at < $stop)) s
  on s.company = p.company and s.call_id = p.call_id and s.started_at >= p.started_at and s.started_at < p.until_at
     and coalesce(s.ended_at, p.until_at) > p.from_at
order by p.agent, from_at, p.company, p.call_id, p.leg
