-- What is chosen: table macros over the warehouse's tables, for reports and for an analyst's own SQL:
--     select direction, count(*) from selected_calls(start := timestamptz '2026-11-01 00:00:00+00', queues := ['Sales']) group by all
-- Every argument that is left out, or null, chooses everything. Period: from start to before stop. Agents are named as
-- agent_of() does. open_minutes are the bits of is_open(); with them only what began within business hours is chosen.

-- Calls, by all but the queue. An agent or department: of the person who answered first, else of a local caller.
create or replace macro calls_chosen(start, stop, companies, pbxs, directions, agents, trunks, departments, open_minutes, holidays, time_zone) as table
    select * from calls
    where (start is null or started_at >= start) and (stop is null or started_at < stop)
      and (companies is null or list_contains(companies::varchar[], company))
      and (pbxs is null or list_contains(pbxs::varchar[], pbx))
      and (directions is null or list_contains(directions::varchar[], direction))
      and (trunks is null or list_contains(trunks::varchar[], trunk_name))
      and (agents is null
           or list_contains(agents::varchar[], agent_of(company, answered_by_extension, answered_by_user_id))
           or (direction <> 'inbound' and list_contains(agents::varchar[], agent_of(company, caller_extension, caller_user_id))))
      and (departments is null
           or list_contains(departments::varchar[], answered_by_department)
           or (direction <> 'inbound' and list_contains(departments::varchar[], caller_department)))
      and is_open(started_at, time_zone, open_minutes, holidays);

-- Calls, also by the queues that they visited: calls.queue_name is only the last one.
create or replace macro selected_calls(start := null, stop := null, companies := null, pbxs := null, directions := null, queues := null,
        agents := null, trunks := null, departments := null, open_minutes := null, holidays := null, time_zone := 'UTC') as table
    select * from calls_chosen(start, stop, companies, pbxs, directions, agents, trunks, departments, open_minutes, holidays, time_zone)
    where queues is null
    union all
    select c.*
    from calls_chosen(start, stop, companies, pbxs, directions, agents, trunks, departments, open_minutes, holidays, time_zone) c
    semi join (select company, call_id from queue_visits where list_contains(queues::varchar[], queue_name)) v using (company, call_id)
    where queues is not null;

-- Queue visits by what a visit itself knows; of_calls := true also by what only its call knows.
create or replace macro visits_chosen(start, stop, companies, queues, open_minutes, holidays, time_zone) as table
    select * from queue_visits
    where (start is null or entered_at >= start) and (stop is null or entered_at < stop)
      and (companies is null or list_contains(companies::varchar[], company))
      and (queues is null or list_contains(queues::varchar[], queue_name))
      and is_open(entered_at, time_zone, open_minutes, holidays);
create or replace macro selected_visits(start := null, stop := null, companies := null, pbxs := null, directions := null, queues := null,
        agents := null, trunks := null, departments := null, open_minutes := null, holidays := null, time_zone := 'UTC', of_calls := false) as table
    select * from visits_chosen(start, stop, companies, queues, open_minutes, holidays, time_zone) where not of_calls
    union all
    select v.* from visits_chosen(start, stop, companies, queues, open_minutes, holidays, time_zone) v
    semi join calls_chosen(null, stop, companies, pbxs, directions, agents, trunks, departments, null, null, time_zone) c using (company, call_id)
    where of_calls;

-- Offers to agents; queue, agent and department are the offer's own.
create or replace macro offers_chosen(start, stop, companies, queues, agents, departments, open_minutes, holidays, time_zone) as table
    select * from agent_offers
    where (start is null or offered_at >= start) and (stop is null or offered_at < stop)
      and (companies is null or list_contains(companies::varchar[], company))
      and (queues is null or list_contains(queues::varchar[], queue_name))
      and (agents is null or list_contains(agents::varchar[], agent_of(company, extension, user_id)))
      and (departments is null or list_contains(departments::varchar[], department))
      and is_open(offered_at, time_zone, open_minutes, holidays);
create or replace macro selected_offers(start := null, stop := null, companies := null, pbxs := null, directions := null, queues := null,
        agents := null, trunks := null, departments := null, open_minutes := null, holidays := null, time_zone := 'UTC') as table
    select * from offers_chosen(start, stop, companies, queues, agents, departments, open_minutes, holidays, time_zone)
    where pbxs is null and trunks is null and directions is null
    union all
    select o.* from offers_chosen(start, stop, companies, queues, agents, departments, open_minutes, holidays, time_zone) o
    semi join calls_chosen(null, stop, companies, pbxs, directions, null, trunks, null, null, null, time_zone) c using (company, call_id)
    where not (pbxs is null and trunks is null and directions is null);

-- Missed calls; a queue: the last one.
create or replace macro selected_misses(start := null, stop := null, companies := null, queues := null, trunks := null,
        open_minutes := null, holidays := null, time_zone := 'UTC') as table
    select * from missed_calls
    where (start is null or started_at >= start) and (stop is null or started_at < stop)
      and (companies is null or list_contains(companies::varchar[], company))
      and (queues is null or list_contains(queues::varchar[], last_queue))
      and (trunks is null or list_contains(trunks::varchar[], trunk_name))
      and is_open(started_at, time_zone, open_minutes, holidays);

-- ---------------------------------------------------------------------------------------------------------------------
-- What is counted. A unit is a row, or a quarter hour of rows, with the same columns: reports sum them up and need not know.

create or replace macro call_units(start := null, stop := null, companies := null, pbxs := null, directions := null, queues := null,
        agents := null, trunks := null, departments := null, open_minutes := null, holidays := null, time_zone := 'UTC') as table
    select
        quarter_of(started_at) as quarter_at, company, direction,
        1::bigint as calls,
        has_end::bigint as ended,
        is_answered(direction, has_end, answered_at, answered_by_at)::bigint as answered,
        is_picked_up(direction, has_end, answered_at, answered_by_at)::bigint as picked_up,
        is_unanswered(direction, has_end, answered_by_at, abandoned)::bigint as unanswered,
        is_abandoned(direction, abandoned, wait_ms, 0)::bigint as left_waiting,
        is_otherwise_abandoned(direction, abandoned, outcome)::bigint as otherwise_abandoned,
        is_in_progress(outcome)::bigint as in_progress,
        is_lost(outcome)::bigint as lost,
        is_short_call(has_end, answered_at, talk_ms)::bigint as short_calls,
        is_voicemail(flags)::bigint as voicemails,
        case when has_end then wait_ms else 0 end as wait_ms,
        case when answered > 0 then talk_ms else 0 end as talk_ms,
        case when answered > 0 then hold_ms else 0 end as hold_ms,
        case when answered > 0 then hold_count else 0 end as holds,
        case when answered > 0 then transfer_count else 0 end as transfers,
        (not has_start)::bigint as without_start,
        (late_events > 0)::bigint as with_late_events,
        late_events,
        event_count as events,
        delivery_count as deliveries
    from selected_calls(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone);

-- Inbound calls whose caller left before any answer, with their wait: what the threshold of short abandons is applied to.
create or replace macro abandon_units(start := null, stop := null, companies := null, pbxs := null, directions := null, queues := null,
        agents := null, trunks := null, departments := null, open_minutes := null, holidays := null, time_zone := 'UTC') as table
    select quarter_of(started_at) as quarter_at, company, direction, wait_ms as waited_ms, 1::bigint as calls, wait_ms
    from selected_calls(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone)
    where is_abandoned(direction, abandoned, wait_ms, 0);

create or replace macro outcome_units(start := null, stop := null, companies := null, pbxs := null, directions := null, queues := null,
        agents := null, trunks := null, departments := null, open_minutes := null, holidays := null, time_zone := 'UTC') as table
    select quarter_of(started_at) as quarter_at, company, direction, outcome, end_cause_category, end_cause_name, end_cause, ended_by, abandoned,
        1::bigint as calls
    from selected_calls(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone);

create or replace macro visit_units(start := null, stop := null, companies := null, pbxs := null, directions := null, queues := null,
        agents := null, trunks := null, departments := null, open_minutes := null, holidays := null, time_zone := 'UTC', of_calls := false) as table
    select
        quarter_of(entered_at) as quarter_at, company, queue_name, result, wait_ms as waited_ms,
        1::bigint as visits, coalesce(wait_ms, 0) as wait_ms
    from selected_visits(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone, of_calls);

-- Units of the roll-ups where they can tell what is asked for (rolled), else of the rows: the same columns and sums.
create or replace macro counted_calls(rolled, start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) as table
    select * from call_units(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone)
    where not rolled
    union all by name
    select * from calls_by_quarter
    where rolled and (start is null or quarter_at >= start) and (stop is null or quarter_at < stop)
      and (companies is null or list_contains(companies::varchar[], company))
      and (directions is null or list_contains(directions::varchar[], direction))
      and is_open(quarter_at, time_zone, open_minutes, holidays);
create or replace macro counted_abandons(rolled, start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) as table
    select * from abandon_units(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone)
    where not rolled
    union all by name
    select * from abandons_by_quarter
    where rolled and (start is null or quarter_at >= start) and (stop is null or quarter_at < stop)
      and (companies is null or list_contains(companies::varchar[], company))
      and (directions is null or list_contains(directions::varchar[], direction))
      and is_open(quarter_at, time_zone, open_minutes, holidays);
create or replace macro counted_outcomes(rolled, start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) as table
    select * from outcome_units(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone)
    where not rolled
    union all by name
    select * from outcomes_by_quarter
    where rolled and (start is null or quarter_at >= start) and (stop is null or quarter_at < stop)
      and (companies is null or list_contains(companies::varchar[], company))
      and (directions is null or list_contains(directions::varchar[], direction))
      and is_open(quarter_at, time_zone, open_minutes, holidays);
create or replace macro counted_visits(rolled, start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone, of_calls) as table
    select * from visit_units(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone, of_calls)
    where not rolled
    union all by name
    select * from visits_by_quarter
    where rolled and (start is null or quarter_at >= start) and (stop is null or quarter_at < stop)
      and (companies is null or list_contains(companies::varchar[], company))
      and (queues is null or list_contains(queues::varchar[], queue_name))
      and is_open(quarter_at, time_zone, open_minutes, holidays);
