-- question: Can I trust these numbers?
-- grain: one row; calls that started in the period, and what was refused at any time
-- metrics: is_lost, is_in_progress, is_picked_up, is_otherwise_abandoned
-- result:
--   calls BIGINT [calls] Calls
--   events BIGINT [events] Distinct events of these calls
--   deliveries BIGINT [deliveries] Deliveries of these events
--   duplicates BIGINT [deliveries] deliveries − events
--   late_events BIGINT [events] Events ordered after the first end
--   with_late_events BIGINT [calls] Calls with such events
--   without_start BIGINT [calls] Calls whose start never came
--   in_progress BIGINT [calls] Still open
--   lost BIGINT [calls] Calls whose end never came
--   picked_up BIGINT [calls] Inbound, picked up by no person
--   otherwise_abandoned BIGINT [calls] The caller left, though the outcome says otherwise
--   unknown_causes BIGINT [calls] Calls with an end cause that is not in the table
--   unknown_ended_by BIGINT [calls] Calls that ended by somebody unknown
--   quarantined BIGINT [deliveries] Deliveries that are kept but unusable, of all time
--   rejected BIGINT [requests] Webhook requests refused, of all time
select
    coalesce(sum(calls), 0) as calls, coalesce(sum(events), 0) as events, coalesce(sum(deliveries), 0) as deliveries,
    coalesce(sum(deliveries), 0) - coalesce(sum(events), 0) as duplicates, coalesce(sum(late_events), 0) as late_events,
    coalesce(sum(with_late_events), 0) as with_late_events, coalesce(sum(without_start), 0) as without_start,
    coalesce(sum(in_progress), 0) as in_progress, coalesce(sum(lost), 0) as lost, coalesce(sum(picked_up), 0) as picked_up,
    coalesce(sum(otherwise_abandoned), 0) as otherwise_abandoned,
    (select coalesce(sum(calls), 0) from counted_outcomes($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone) where has_ended(outcome) and end_cause_category = 'unknown') as unknown_causes,
    (select coalesce(sum(calls), 0) from counted_outcomes($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone) where has_ended(outcome) and not is_known_side(ended_by)) as unknown_ended_by,
    (select count(*) from quarantine) as quarantined,
    (select coalesce(sum("count"), 0) from rejections) as rejected
from counted_calls($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
