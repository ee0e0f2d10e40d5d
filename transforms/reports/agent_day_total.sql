-- question: How was this person's day spent?
-- grain: agent; what overlaps the period, with its part within the period
-- key: agent
-- metrics: time_in_calls, is_available, is_busy, is_away
-- result:
--   agent VARCHAR The agent: <company>_<extension>
--   in_calls_ms BIGINT [ms] Ring, talk and hold of their parts of calls; of two at once each counts
--   talk_ms BIGINT [ms] Of this talk
--   hold_ms BIGINT [ms] Of this hold
--   ring_ms BIGINT [ms] Of this ring
--   available_ms BIGINT [ms] With the status available or online
--   busy_ms BIGINT [ms] With the status busy or dnd
--   away_ms BIGINT [ms] With any other status
--   unknown_ms BIGINT [ms] Of the period, as far as it is over, without a status; null of all time
--   calls BIGINT [calls] Calls that they had a part in
with parts as (from agent_parts($start, $stop, $companies, $agents)),
talked as (
    select agent, sum(ring_ms)::bigint as ring_ms, sum(talk_ms)::bigint as talk_ms, sum(hold_ms)::bigint as hold_ms,
        count(distinct (company, call_id)) as calls
    from parts group by 1),
there as (
    select agent, coalesce(sum(ms) filter (is_available(status)), 0)::bigint as available_ms, coalesce(sum(ms) filter (is_busy(status)), 0)::bigint as busy_ms,
        coalesce(sum(ms) filter (is_away(status)), 0)::bigint as away_ms
    from (select agent, status, epoch_ms(until_at) - epoch_ms(from_at) as ms from agent_presences($start, $stop, $companies, $agents) where kind = 'user')
    group by 1),
who as (select unnest($agents::varchar[]) as agent union select agent from talked union select agent from there),
clock as (
    select greatest(epoch_ms(least($stop::timestamptz, max(as_of))) - epoch_ms($start::timestamptz), 0) as whole_ms, $start is null or $stop is null as is_open
    from builds)
select agent, time_in_calls(coalesce(ring_ms, 0), coalesce(talk_ms, 0), coalesce(hold_ms, 0)) as in_calls_ms, coalesce(talk_ms, 0) as talk_ms,
    coalesce(hold_ms, 0) as hold_ms, coalesce(ring_ms, 0) as ring_ms, coalesce(available_ms, 0) as available_ms, coalesce(busy_ms, 0) as busy_ms,
    coalesce(away_ms, 0) as away_ms,
    case when not is_open then greatest(whole_ms - coalesce(available_ms, 0) - coalesce(busy_ms, 0) - coalesce(away_ms, 0), 0) end as unknown_ms,
    coalesce(calls, 0) as calls
from who left join talked using (agent) left join there using (agent), clock
order by agent
