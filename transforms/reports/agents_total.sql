-- question: How many offers are answered, and what becomes of the others?
-- grain: one row; offers that began in the period (one call may be several offers, and several answered ones where a talk comes back)
-- metrics: offer_result, agent_answer_rate, average_talk, average_handling_time
-- result:
--   agents BIGINT [agents] Agents with offers
--   offers BIGINT [offers] Inbound calls that rang at a user and are over
--   answered BIGINT [offers] Answered
--   caller_left BIGINT [offers] The caller hung up while it rang
--   taken BIGINT [offers] Another person then answered the call first
--   lost BIGINT [offers] Rang out, and no other person's first answer followed
--   open BIGINT [offers] Still ringing
--   answer_rate DOUBLE [share] answered / offers
--   talk_ms BIGINT [ms] Talk of answered offers
--   hold_ms BIGINT [ms] Hold of answered offers
--   transferred BIGINT [offers] Answered here, and later by another in the same call
--   average_talk_ms DOUBLE [ms] Talk / answered
--   handling_ms DOUBLE [ms] (Talk + hold) / answered, without wrap-up
with counted as (
    select count(distinct (company, extension)) as agents, coalesce(sum(answered + caller_left + taken + lost), 0) as offers,
        coalesce(sum(answered), 0) as answered, coalesce(sum(caller_left), 0) as caller_left, coalesce(sum(taken), 0) as taken,
        coalesce(sum(lost), 0) as lost, coalesce(sum(open), 0) as open, coalesce(sum(talk_ms), 0) as talk_ms, coalesce(sum(hold_ms), 0) as hold_ms,
        coalesce(sum(transferred), 0) as transferred
    from counted_offers($whole_from, $whole_until, $rows_from, $rows_until, $but_from, $but_until, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone))
select agents, offers, answered, caller_left, taken, lost, open, agent_answer_rate(answered, offers) as answer_rate, talk_ms, hold_ms,
    transferred, average_talk(talk_ms, answered) as average_talk_ms, average_handling_time(talk_ms, hold_ms, answered) as handling_ms
from counted
