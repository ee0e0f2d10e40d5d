-- The vendor's account beside ours: calls of basis call or live that also have vendor_calls. Theirs by the rules of basis
-- vendor: duration from the least start to the greatest end, sums of talk and hold, wait until the first flow with talk
-- (its start + connect + wait + queue), else the duration.
create or replace view reconciliation as
    select
        company, call_id, started_at,
        duration_ms, talk_ms, hold_ms, wait_ms,
        vendor_duration_ms, vendor_talk_ms, vendor_hold_ms, vendor_wait_ms,
        duration_ms - vendor_duration_ms as duration_difference_ms,
        talk_ms - vendor_talk_ms as talk_difference_ms,
        hold_ms - vendor_hold_ms as hold_difference_ms,
        wait_ms - vendor_wait_ms as wait_difference_ms,
        agrees(duration_ms, vendor_duration_ms) and agrees(talk_ms, vendor_talk_ms)
            and agrees(hold_ms, vendor_hold_ms) and agrees(wait_ms, vendor_wait_ms) as agrees
    from reconciled_calls;
comment on view reconciliation is 'One row a call of basis call or live that also has vendor_calls: our figures, the vendor''s, ours less theirs, and whether all four agree within 1 s (null while the call is open or the vendor gives no times)';
comment on column reconciliation.duration_ms is 'Our duration [ms]';
comment on column reconciliation.talk_ms is 'Our talk [ms]';
comment on column reconciliation.hold_ms is 'Our hold [ms]';
comment on column reconciliation.wait_ms is 'Our wait [ms]';
comment on column reconciliation.vendor_duration_ms is 'The vendor''s duration [ms]';
comment on column reconciliation.vendor_talk_ms is 'The vendor''s talk [ms]';
comment on column reconciliation.vendor_hold_ms is 'The vendor''s hold [ms]';
comment on column reconciliation.vendor_wait_ms is 'The vendor''s wait [ms]';
comment on column reconciliation.duration_difference_ms is 'duration_ms − vendor_duration_ms [ms]';
comment on column reconciliation.talk_difference_ms is 'talk_ms − vendor_talk_ms [ms]';
comment on column reconciliation.hold_difference_ms is 'hold_ms − vendor_hold_ms [ms]';
comment on column reconciliation.wait_difference_ms is 'wait_ms − vendor_wait_ms [ms]';
comment on column reconciliation.company is 'The company as the phone system names it';
comment on column reconciliation.call_id is 'The call''s id';
comment on column reconciliation.started_at is 'calls.started_at [UTC]';
comment on column reconciliation.agrees is 'Whether all four differ by at most 1 s; null while the call is open or where the vendor gives no times';
