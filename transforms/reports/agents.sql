-- question: Who takes the calls, whose phone rings out?
-- grain: agent; offers that began in the period (one call may be offered to several agents, and is offered and answered once more where it comes back), and the agent's own outbound calls
-- key: agent
-- metrics: offer_result, agent_answer_rate, average_talk, average_handling_time
-- result:
--   agent VARCHAR The agent: <company>_<extension>
--   company VARCHAR The company
--   extension VARCHAR The extension
--   name VARCHAR Name, the newest
--   department VARCHAR Department, the newest
--   offers BIGINT [offers] Inbound calls that rang here and are over
--   answered BIGINT [offers] Answered here; of one call several where a talk comes back after a transfer
--   caller_left BIGINT [offers] The caller hung up while it rang: nobody's fault
--   taken BIGINT [offers] Another person then answered the call first
--   lost BIGINT [offers] Rang out, and no other person's first answer followed
--   answer_rate DOUBLE [share] answered / offers
--   ring_ms BIGINT [ms] Time that it rang
--   talk_ms BIGINT [ms] Talk of answered offers
--   hold_ms BIGINT [ms] Hold of answered offers
--   average_talk_ms DOUBLE [ms] Talk / answered
--   handling_ms DOUBLE [ms] (Talk + hold) / answered, without wrap-up
--   transferred BIGINT [offers] Answered here, and a later leg of the call by a user too
--   outbound BIGINT [calls] Outbound calls made, that have ended
--   outbound_reached BIGINT [calls] Of these answered
--   outbound_talk_ms BIGINT [ms] Their talk
with offered as (
    select company, extension, sum(answered + caller_left + taken + lost)::bigint as offers, sum(answered)::bigint as answered,
        sum(caller_left)::bigint as caller_left, sum(taken)::bigint as taken, sum(lost)::bigint as lost, sum(ring_ms)::bigint as ring_ms,
        sum(talk_ms)::bigint as talk_ms, sum(hold_ms)::bigint as hold_ms, sum(transferred)::bigint as transferred,
        max({'offered_at': last_offered_at, 'name': last_name, 'department': department}) as last
    from counted_offers($whole_from, $whole_until, $rows_from, $rows_until, $but_from, $but_until, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    group by 1, 2),
called as (
    select company, value as extension, sum(calls)::bigint as outbound, sum(answered)::bigint as outbound_reached, sum(talk_ms)::bigint as outbound_talk_ms,
        max({'started_at': last_at, 'name': last_name, 'department': last_department}) as last_called
    from counted_dimensions($whole_from, $whole_until, $rows_from, $rows_until, $but_from, $but_until, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where dimension = 'caller'
    group by 1, 2)
select agent_of(company, extension, null) as agent, company, extension,
    coalesce(p.name, last.name, last_called.name) as name, coalesce(p.department, last.department, last_called.department) as department,
    coalesce(offers, 0) as offers, coalesce(answered, 0) as answered, coalesce(caller_left, 0) as caller_left, coalesce(taken, 0) as taken,
    coalesce(lost, 0) as lost, agent_answer_rate(answered, offers) as answer_rate, coalesce(ring_ms, 0) as ring_ms,
    coalesce(talk_ms, 0) as talk_ms, coalesce(hold_ms, 0) as hold_ms, average_talk(talk_ms, answered) as average_talk_ms,
    average_handling_time(talk_ms, hold_ms, answered) as handling_ms, coalesce(transferred, 0) as transferred,
    coalesce(outbound, 0) as outbound, coalesce(outbound_reached, 0) as outbound_reached, coalesce(outbound_talk_ms, 0) as outbound_talk_ms
from offered full join called using (company, extension) left join people p using (company, extension)
order by offers desc, outbound desc, agent
