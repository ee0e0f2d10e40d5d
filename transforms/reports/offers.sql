-- question: Which offers are these?
-- grain: offer: an inbound leg with a user; a talk that comes back to them is another
-- key: company, call_id, leg
-- metrics: offer_result
-- result:
--   company VARCHAR The company
--   call_id VARCHAR The call
--   leg BIGINT Number of the leg in its call
--   offered_at TIMESTAMPTZ [UTC] When it began to ring
--   agent VARCHAR The agent: <company>_<extension>
--   extension VARCHAR The extension
--   name VARCHAR The agent's name
--   department VARCHAR The department
--   queue_name VARCHAR The queue
--   result VARCHAR [code] answered, caller_left, taken, lost or open
--   ring_ms BIGINT [ms] Ring
--   talk_ms BIGINT [ms] Talk
--   hold_ms BIGINT [ms] Hold
--   transferred BOOLEAN Whether another answered later in the same call
select company, call_id, leg, offered_at, agent_of(company, extension, user_id) as agent, extension, name, department, queue_name, result, ring_ms, talk_ms, hold_ms, transferred
from selected_offers($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
where case $figure when 'offers' then result <> 'open' when 'transferred' then transferred else $figure is null or result = $figure end
order by offered_at desc, company, call_id, leg
limit $limit offset $offset
