-- Simulated facts, made straight into the tables of a warehouse (tests/warehouses.py). Statements end in a line of `;`.
-- Parameters: n calls in so many days before until, by seed, for so many agents a company and numbers outside.
-- The rows hang together as real ones do: phases add up, legs tile the call, visits and events belong to it.
create temp macro chance(i, k, seed) as (hash(i * 1000003 + k * 7919 + seed * 104729) % 1000003) / 1000003.0
;
create temp table agent as
select company, j, (200 + j)::varchar as extension, (1000000 + c * 1000 + j)::varchar as user_id,
    ['Ada', 'Bo', 'Cleo', 'Dag', 'Edda', 'Finn', 'Gro', 'Hal', 'Ida', 'Jo', 'Kai', 'Lea'][1 + j % 12] || ' ' ||
    ['Ash', 'Birch', 'Cedar', 'Dahl', 'Elm', 'Fir', 'Gorse', 'Hazel'][1 + (j * 5 + c) % 8] as name,
    ['Sales', 'Support', 'Billing'][1 + j % 3] as department
from (values ('it_w100001', 0), ('it_w100002', 1)) company(company, c), range($agents) a(j)
;
create temp table base as
with day as (
    select d, (date_trunc('day', $until::timestamptz) - to_days(($days - 1 - d)::int)) as day_at,
        case when isodow(day_at) > 5 then 0.12 else 1.0 + 0.15 * sin(d) end as weight
    from range($days) r(d)),
edge as (select *, sum(weight) over (order by d) - weight as low, sum(weight) over () as total from day),
draw as (select i, (i + 0.5) / $n * (select any_value(total) from edge) as place from range($n) r(i)),
placed as (
    select i, day_at, (place - low) / weight as within
    from draw asof join edge on place >= low)
select i,
    -- a day from 07:00 to 19:00 with a dip at noon, and a few calls at night
    day_at + to_milliseconds((1000 * case when chance(i, 1, $seed) < 0.04 then 86400 * chance(i, 2, $seed)
        else 25200 + 43200 * (within + 0.04 * sin(within * 12.566)) end)::bigint) as started_at,
    case when chance(i, 3, $seed) < 0.8 then 'it_w100001' else 'it_w100002' end as company,
    case when chance(i, 4, $seed) < 0.58 then 'inbound' when chance(i, 4, $seed) < 0.86 then 'outbound' else 'internal' end as direction,
    (chance(i, 5, $seed) * $agents)::bigint % $agents as first_agent,
    case when chance(i, 6, $seed) < 0.03 then null
         when chance(i, 6, $seed) < 0.10 then '+44 1632 960' || lpad((hash(i, $seed) % 40)::varchar, 3, '0')
         -- more callers than there are numbers for fiction: those for fiction with digits after them, which no telephone has
         when $numbers <= 960 then '+44 1632 960' || lpad((40 + hash(i, 7, $seed) % $numbers)::varchar, 3, '0')
         else '+1 555 01' || lpad((hash(i, 7, $seed) % $numbers)::varchar, 7, '0') end as outside,
    case when chance(i, 8, $seed) < 0.72 then ['Sales', 'Support', 'Billing', 'Service'][1 + (chance(i, 9, $seed) * 4)::int % 4] end as queue_name,
    chance(i, 10, $seed) as luck, chance(i, 11, $seed) as side, chance(i, 12, $seed) as second,
    (-ln(1 - 0.999 * chance(i, 13, $seed)) * 14000)::bigint + 900 as ring_each_ms,
    (-ln(1 - 0.999 * chance(i, 14, $seed)) * 190000)::bigint + 1500 as talk_full_ms,
    case when chance(i, 15, $seed) < 0.18 then (-ln(1 - 0.999 * chance(i, 16, $seed)) * 40000)::bigint + 500 else 0 end as hold_full_ms,
    1 + (chance(i, 17, $seed) * 3)::bigint % 3 as rings,
    chance(i, 18, $seed) as oddity
from placed
where started_at < $until
;
create temp table made as
select *,
    case when direction <> 'inbound' then 1 when result in ('machine', 'unrung') then 0 else rings end as legs,
    case when result in ('machine', 'unrung') then ring_each_ms * rings else ring_each_ms * (case when direction = 'inbound' then rings else 1 end) end as ring_ms,
    case when result in ('answered', 'machine') then talk_full_ms else 0 end as talk_ms,
    case when result = 'answered' then hold_full_ms else 0 end as hold_ms,
    result in ('answered') as by_person,
    result in ('answered', 'machine') as picked_up,
    coalesce(direction = 'inbound' and queue_name is not null and second < 0.09, false) as overflows
from (
    select *,
        company || '_' || (epoch_ms(started_at) / 1000.0)::decimal(18, 0)::varchar || '.' || i as call_id,
        case when started_at > $until::timestamptz - interval 12 minutes and oddity < 0.5 then 'open'
             when oddity < 0.002 then 'lost' else 'ended' end as life,
        case when luck < 0.74 then 'answered'
             when luck < 0.77 and direction = 'inbound' then 'machine'
             when luck < 0.82 and direction = 'inbound' then 'unrung' else 'unanswered' end as result
    from base)
;
insert into calls by name
select m.company, '000000000001' as pbx, call_id, 'call' as basis, started_at,
    case when picked_up and life <> 'open' then started_at + to_milliseconds(ring_ms) end as answered_at,
    case when life = 'ended' then started_at + to_milliseconds(ring_ms + talk_ms + hold_ms) end as ended_at,
    case when life = 'ended' then ring_ms + talk_ms + hold_ms end as duration_ms,
    case when life = 'open' then 0 else ring_ms end as ring_ms,
    case when life = 'open' then 0 else talk_ms end as talk_ms,
    case when life = 'open' then 0 else hold_ms end as hold_ms,
    0 as other_ms,
    case when life = 'open' or (life = 'lost' and not picked_up) then null else ring_ms end as wait_ms,
    case when hold_ms > 0 and life <> 'open' then 1 else 0 end as hold_count,
    legs + (by_person and second > 0.93)::int as leg_count,
    (by_person and direction = 'inbound' and second > 0.93)::int as transfer_count, direction,
    case when direction = 'inbound' then 'REMOTE' else 'LOCAL' end as caller_type,
    case when direction = 'inbound' then outside else a.extension end as caller_phone,
    case when direction = 'inbound' then case when hash(i, 3) % 3 = 0 then 'Customer ' || (hash(i, 7) % 977) end else a.name end as caller_name,
    case when direction <> 'inbound' then lower(replace(a.name, ' ', '.')) || '@example.com' end as caller_email,
    case when direction <> 'inbound' then a.user_id end as caller_user_id,
    case when direction <> 'inbound' then a.extension end as caller_extension,
    case when direction <> 'inbound' then a.department end as caller_department,
    case when direction <> 'inbound' then 'WEB' end as caller_device,
    case when direction = 'outbound' then 'REMOTE' when direction = 'internal' or legs > 0 then 'LOCAL' end as callee_type,
    case when direction = 'outbound' then outside when direction = 'internal' or legs > 0 then z.extension end as callee_phone,
    case when direction <> 'outbound' and (direction = 'internal' or legs > 0) then z.name end as callee_name,
    case when direction <> 'outbound' and (direction = 'internal' or legs > 0) then z.user_id end as callee_user_id,
    case when direction <> 'outbound' and (direction = 'internal' or legs > 0) then z.extension end as callee_extension,
    case when direction <> 'outbound' and (direction = 'internal' or legs > 0) then z.department end as callee_department,
    case when by_person and direction <> 'outbound' and life <> 'open' then started_at + to_milliseconds(ring_ms) end as answered_by_at,
    case when by_person and direction <> 'outbound' and life <> 'open' then z.user_id end as answered_by_user_id,
    case when by_person and direction <> 'outbound' and life <> 'open' then z.extension end as answered_by_extension,
    case when by_person and direction <> 'outbound' and life <> 'open' then z.name end as answered_by_name,
    case when by_person and direction <> 'outbound' and life <> 'open' then z.department end as answered_by_department,
    case when direction = 'inbound' then '+44 1632 960999' when direction = 'outbound' then outside else z.extension end as destination,
    case when direction <> 'internal' then ['north', 'south', 'mobile'][1 + i % 3] end as trunk_name,
    case when direction = 'inbound' then case when overflows then 'Overflow' else queue_name end end as queue_name,
    case when direction = 'inbound' and queue_name is not null then '70' || length(queue_name) end as queue_id,
    case when direction in ('inbound', 'outbound') then outside end as external_phone,
    case when direction in ('inbound', 'outbound') then right(regexp_replace(outside, '[^0-9]', '', 'g'), 9) end as external_key,
    case when i % 17 = 0 then ['vip'] else [] end as tags,
    case when result = 'machine' and i % 2 = 0 then ['voicemail'] else [] end as flags,
    cause.code as end_cause, cause.said as end_cause_text, coalesce(end_causes.name, case when cause.code is not null then 'unknown' end) as end_cause_name,
    coalesce(end_causes.category, case when cause.code is not null then 'unknown' end) as end_cause_category,
    case when life = 'ended' then ending end as ended_by,
    case when life = 'open' then 'in_progress' when life = 'lost' then 'lost' when picked_up then 'answered'
         when end_causes.category in ('rejected', 'busy', 'no_answer') then end_causes.category
         when end_causes.category in ('unreachable', 'invalid_number', 'congestion', 'network_failure', 'not_permitted', 'protocol_error') then 'failed'
         when ending = 'caller' then 'abandoned' else 'no_answer' end as outcome,
    3 + legs as event_count, 3 + legs + (i % 23 = 0)::int as delivery_count, (i % 211 = 0)::int as late_events,
    i % 997 <> 0 as has_start, life = 'ended' as has_end,
    started_at + interval 1 second as first_received_at,
    started_at + to_milliseconds(ring_ms + talk_ms + hold_ms + 1500) as last_received_at,
    case when life = 'ended' then not picked_up and coalesce(ending = 'caller', false) end as abandoned
from (
    select *, case when side < 0.62 then 'caller' when side < 0.97 then 'callee' when side < 0.985 then 'system' end as ending,
        case when life <> 'ended' then null when picked_up then 1 when side < 0.05 then 5 when side < 0.12 then 2 when side < 0.2 then 3
             when side < 0.24 then 4 when side < 0.25 then 6 else 1 end as cause_no
    from made) m
left join (values (1, '16', 'Normal Clearing'), (2, '17', 'User Busy'), (3, '19', 'No Answer'), (4, '21', 'Call Rejected'),
                  (5, '34', 'No Circuit'), (6, '999', 'Novel Cause')) cause(cause_no, code, said) using (cause_no)
left join end_causes on end_causes.code = cause.code
join agent a on a.company = m.company and a.j = m.first_agent
join agent z on z.company = m.company and z.j = (m.first_agent + m.rings) % $agents
order by started_at, company, call_id
;
insert into call_legs by name
select m.company, call_id, leg, case when direction = 'outbound' then 'REMOTE' else 'LOCAL' end as callee_type,
    case when direction = 'outbound' then outside else g.extension end as callee_phone,
    case when direction <> 'outbound' then g.name end as callee_name,
    case when direction <> 'outbound' then g.user_id end as callee_user_id,
    case when direction <> 'outbound' then g.extension end as callee_extension,
    case when direction <> 'outbound' then g.department end as callee_department,
    case when direction = 'inbound' then case when overflows and leg = legs - 1 then 'Overflow' else m.queue_name end end as queue_name,
    m.started_at + to_milliseconds(ring_each_ms * leg) as started_at,
    case when leg = legs - 1 and by_person and life <> 'open' then m.started_at + to_milliseconds(ring_ms) end as answered_at,
    case when leg < legs - 1 then m.started_at + to_milliseconds(ring_each_ms * (leg + 1))
         when life = 'ended' then m.started_at + to_milliseconds(ring_ms + talk_ms + hold_ms) end as ended_at,
    ring_each_ms as ring_ms,
    case when leg = legs - 1 and life <> 'open' then talk_ms else 0 end as talk_ms,
    case when leg = legs - 1 and life <> 'open' then hold_ms else 0 end as hold_ms,
    0 as other_ms,
    leg = legs - 1 and by_person and life <> 'open' as answered
from (select *, unnest(range(legs)) as leg from made) m
join agent g on g.company = m.company and g.j = (m.first_agent + leg + 1 + (m.rings - m.legs)) % $agents
order by started_at, m.company, call_id, leg
;
insert into queue_visits by name
select company, call_id, visit, q as queue_name, '70' || length(q) as queue_id, entered_at, left_at, answered_at,
    case when answered_at is not null then answered_by end as answered_by_user_id,
    epoch_ms(coalesce(answered_at, left_at)) - epoch_ms(entered_at) as wait_ms,
    case when visit = 0 and overflows then 'Overflow' end as next_queue,
    case when answered_at is not null then 'answered' when visit = 0 and overflows then 'overflowed' when left_at is null then 'open'
         when ended_by = 'caller' then 'caller_left' else 'unanswered' end as result
from (
    select m.company, m.call_id, visit, overflows, c.ended_by, c.answered_by_user_id as answered_by,
        case when visit = 1 then 'Overflow' else m.queue_name end as q,
        m.started_at + to_milliseconds(case when visit = 1 then m.ring_ms // 2 else 0 end) as entered_at,
        case when visit = 0 and overflows then m.started_at + to_milliseconds(m.ring_ms // 2) else c.ended_at end as left_at,
        case when visit = overflows::int then c.answered_by_at end as answered_at
    from (select *, unnest(range(1 + overflows::int)) as visit from made where direction = 'inbound' and queue_name is not null) m
    join calls c using (company, call_id))
order by entered_at, company, call_id, visit
;
insert into call_states by name
select company, call_id, row_number() over (partition by company, call_id order by leg, nth) - 1 as seq, status, phase,
    from_at as started_at, until_at as ended_at, epoch_ms(until_at) - epoch_ms(from_at) as duration_ms, caller_phone,
    callee_type, callee_phone, callee_name, callee_user_id, callee_extension, queue_name
from (
    select l.company, l.call_id, l.leg, 0 as nth, 'RINGING' as status, 'ringing' as phase, l.started_at as from_at, coalesce(l.answered_at, l.ended_at) as until_at,
        c.caller_phone, l.callee_type, l.callee_phone, l.callee_name, l.callee_user_id, l.callee_extension, l.queue_name
    from call_legs l join calls c using (company, call_id)
    union all
    select l.company, l.call_id, l.leg, 1, 'TALKING', 'talking', l.answered_at, l.answered_at + to_milliseconds(l.talk_ms),
        c.caller_phone, l.callee_type, l.callee_phone, l.callee_name, l.callee_user_id, l.callee_extension, l.queue_name
    from call_legs l join calls c using (company, call_id) where l.answered
    union all
    select l.company, l.call_id, l.leg, 2, 'HOLD', 'held', l.answered_at + to_milliseconds(l.talk_ms), l.ended_at,
        c.caller_phone, l.callee_type, l.callee_phone, l.callee_name, l.callee_user_id, l.callee_extension, l.queue_name
    from call_legs l join calls c using (company, call_id) where l.answered and l.hold_ms > 0)
order by from_at, company, call_id, seq
;
insert into call_events by name
select company, call_id, sha256(company || call_id || nth) as event_uid, 'call' as family, 'call:' || kind as event_type, kind, from_at as event_time,
    from_at + to_milliseconds(case when nth = 3 then 900000 else 400 end) as received_at, 'acme' as source, 'abc123' as integration_id,
    '0123456789abcdef0123456789abcdef' as writer, row_number() over (order by from_at, company, call_id, nth) as seq, '000000000001' as pbx,
    status, phase, caller_phone, callee_phone, case when kind = 'end' then end_cause end as end_cause, case when kind = 'end' then ended_by end as ended_by
from (
    select company, call_id, 0 as nth, 'start' as kind, started_at as from_at, 'CONNECTING' as status, 'ringing' as phase, caller_phone, callee_phone, end_cause, ended_by
    from calls where has_start
    union all select company, call_id, 1, 'update', answered_at, case when outcome = 'lost' then 'PARKED' else 'TALKING' end,
        case when outcome = 'lost' then 'other' else 'talking' end, caller_phone, callee_phone, end_cause, ended_by from calls where answered_at is not null
    union all select company, call_id, 2, 'end', ended_at, 'TALKING', 'talking', caller_phone, callee_phone, end_cause, ended_by from calls where has_end
    union all select company, call_id, 3, 'update', ended_at + interval 2 seconds, 'HOLD', 'held', caller_phone, callee_phone, end_cause, ended_by
    from calls where late_events > 0 and has_end)
order by from_at, company, call_id
;
insert into presence_intervals by name
with shift as (
    select company, extension, j, name, day_at from agent,
        (select distinct date_trunc('day', started_at) as day_at from base where started_at >= $until::timestamptz - interval 45 days)
    where isodow(day_at) < 6 and (j + dayofyear(day_at)) % 5 > 0),
plan as (
    select company, extension, name, kind, day_at + to_seconds((hour * 3600)::int) as started_at, status
    from shift, (values ('user', 8.0, 'available'), ('user', 12.0, 'away'), ('user', 13.0, 'available'), ('user', 15.5, 'dnd'), ('user', 16.0, 'available'), ('user', 17.0, 'offline'),
                        ('telephony', 7.5, 'registered'), ('telephony', 9.0, 'ringing'), ('telephony', 9.01, 'talking'), ('telephony', 10.0, 'registered'),
                        ('telephony', 13.5, 'talking'), ('telephony', 15.0, 'rt'), ('telephony', 15.02, 'registered')) s(kind, hour, status))
select company, extension, kind, started_at, status, lower(replace(name, ' ', '.')) || '@example.com' as email,
    lead(started_at) over (partition by company, extension, kind order by started_at) as ended_at, epoch_ms(ended_at) - epoch_ms(started_at) as duration_ms
from plan where started_at < $until order by started_at, company, extension, kind
;
insert into vendor_calls by name
select company, call_id, 0 as flow_index, started_at, ended_at, duration_ms, ring_ms as connect_ms, 0 as wait_ms, 0 as queue_ms,
    talk_ms + case when hash(call_id) % 50 = 0 then 4000 else hash(call_id) % 300 end as talk_ms, hold_ms, upper(direction) as direction,
    caller_phone, callee_phone, callee_name, trunk_name, external_phone as remote_phone, ['GB', 'IT', 'US'][1 + (hash(call_id, 2) % 3)::int] as remote_country,
    (30 + hash(call_id, 3) % 15) / 10.0 as caller_mos, (28 + hash(call_id, 4) % 17) / 10.0 as callee_mos,
    case when answered_at is null then 'MISSED' else 'COMPLETED' end as call_status, end_cause,
    (hash(call_id, 5) % 9 = 0)::int as recordings, 0 as voicemails, 0 as faxes
from calls where has_end and hash(company, call_id) % 20 = 0
order by company, call_id
;
insert into people by name
select company, extension, user_id, name, lower(replace(name, ' ', '.')) || '@example.com' as email, department, department as group_name, $until::timestamptz as last_seen_at
from agent order by company, extension
;
insert into rejections
select 'acme', reason, d::date, 1 + hash(d, reason) % 5 from range($until::timestamptz - interval 5 days, $until::timestamptz, interval 1 day) r(d),
    (values ('no_signature'), ('bad_signature')) v(reason) order by d, reason
;
insert into quarantine
select 'fedcba9876543210fedcba9876543210', j + 1, $until::timestamptz - to_hours(j::int), 'acme', 'webhook',
    ['not_json', 'no_time', 'wrong_company'][1 + (j % 3)::int], 'a made-up example' from range(9) r(j) order by j desc
