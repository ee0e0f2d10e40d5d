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

-- Of these, those that were open in the period: what happened in it, visits and offers, belongs to no others. Three scans that each
-- skip most of the table; a call that is open, or lost, was so until its last event.
create or replace macro calls_open(start, stop, companies, pbxs, directions, agents, trunks, departments, time_zone) as table
    select * from calls_chosen(start, stop, companies, pbxs, directions, agents, trunks, departments, null, null, time_zone)
    union all
    select * from calls_chosen(null, start, companies, pbxs, directions, agents, trunks, departments, null, null, time_zone)
    where start is not null and ended_at >= start
    union all
    select * from calls_chosen(null, start, companies, pbxs, directions, agents, trunks, departments, null, null, time_zone)
    where start is not null and ended_at is null and call_end(started_at, ended_at, ring_ms, talk_ms, hold_ms, other_ms) >= start;

-- Calls, also by the queues that they visited: calls.queue_name is only the last one.
create or replace macro selected_calls(start := null, stop := null, companies := null, pbxs := null, directions := null, queues := null,
        agents := null, trunks := null, departments := null, open_minutes := null, holidays := null, time_zone := 'UTC') as table
    select * from calls_chosen(start, stop, companies, pbxs, directions, agents, trunks, departments, open_minutes, holidays, time_zone)
    where queues is null
    union all
    select c.*
    from calls_chosen(start, stop, companies, pbxs, directions, agents, trunks, departments, open_minutes, holidays, time_zone) c
    semi join (
        select company, call_id from queue_visits
        where list_contains(queues::varchar[], queue_name) and (start is null or entered_at >= start)) v using (company, call_id)
    where queues is not null;

-- Calls of one row of a report: where that is by queue (part_of = 'queue'), by the queue that they visited, and also by the queues of
-- the filter; by a status that the list of phases lacks (part_of = 'status'); the other parts are is_part()'s.
create or replace macro calls_of_part(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone,
        part_of, part) as table
    select * from selected_calls(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone)
    where part_of is null or part_of not in ('queue', 'status')
    union all
    select c.*
    from selected_calls(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) c
    semi join (
        select company, call_id from queue_visits where part_of = 'queue' and queue_name = part and (start is null or entered_at >= start)
        union all
        select company, call_id from unknown_statuses
        where part_of = 'status' and coalesce(status, '') = part and (start is null or started_at >= start)) v using (company, call_id)
    where part_of in ('queue', 'status');

-- Calls as the list behind a figure chooses them: by everything that Filters can say of a call.
create or replace macro listed_calls(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone,
        part_of, part, figure, short_ms, outcomes, causes, categories, sides, number, instants, text, whole_only, text_key) as table
    select * from calls_of_part(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone,
        part_of, part)
    where (instants is null or started_at in (select unnest(instants::timestamptz[])))
      and is_figure(figure, direction, has_end, answered_at, answered_by_at, abandoned, wait_ms, talk_ms, outcome, flags, short_ms)
      and (outcomes is null or list_contains(outcomes::varchar[], outcome))
      and (causes is null or list_contains(causes::varchar[], coalesce(end_cause, '')))
      and (categories is null or list_contains(categories::varchar[], coalesce(end_cause_category, '')))
      and (sides is null or list_contains(sides::varchar[], coalesce(ended_by, '')))
      and (number is null or external_key = number)
      and is_part(part_of, part, company, direction, trunk_name, answered_by_department, end_cause_name, external_phone, caller_extension,
          caller_user_id, has_start, outcome, ended_by, end_cause_category, late_events, started_at,
          concurrent_until(started_at, ended_at, ring_ms, talk_ms, hold_ms, other_ms), time_zone)
      and (text is null or is_found(text, whole_only, text_key, external_key, caller_phone, caller_name, callee_phone, callee_name,
          answered_by_name, destination, call_id));

-- What is counted of each call of a list: read from the calls or, of a search beside few other filters, from the table made for searches.
create or replace macro hit_units(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone,
        part_of, part, figure, short_ms, outcomes, causes, categories, sides, number, instants, text, whole_only, text_key) as table
    select started_at, case when has_end then talk_ms end as talk_ms, case when has_end then hold_ms end as hold_ms
    from listed_calls(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone,
        part_of, part, figure, short_ms, outcomes, causes, categories, sides, number, instants, text, whole_only, text_key);
create or replace macro rolled_hits(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone,
        part_of, part, figure, short_ms, outcomes, causes, categories, sides, number, instants, text, whole_only, text_key) as table
    select started_at, talk_ms, hold_ms from searched_calls
    where (start is null or started_at >= start) and (stop is null or started_at < stop)
      and (companies is null or list_contains(companies::varchar[], company))
      and (directions is null or list_contains(directions::varchar[], direction))
      and is_open(started_at, time_zone, open_minutes, holidays)
      and (text is null or is_hit(text, text_key, external_phone, external_number, external_name, other_phones, other_names, call_id));
create or replace macro counted_hits(rolled, start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone,
        part_of, part, figure, short_ms, outcomes, causes, categories, sides, number, instants, text, whole_only, text_key) as table
    select * from hit_units(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone,
        part_of, part, figure, short_ms, outcomes, causes, categories, sides, number, instants, text, whole_only, text_key) where not rolled
    union all
    select * from rolled_hits(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone,
        part_of, part, figure, short_ms, outcomes, causes, categories, sides, number, instants, text, whole_only, text_key) where rolled;

-- The queues that each call visited, each once. Two visits one after the other are of two queues: only from the third on can one be a
-- return, so that no more than these few are compared with those before them.
create or replace macro visited_queues(since := null) as table
    select company, call_id, queue_name from queue_visits where visit < 2 and (since is null or entered_at >= since)
    union all
    select distinct company, call_id, queue_name
    from (from queue_visits where visit >= 2 and (since is null or entered_at >= since))
    anti join (from queue_visits where visit < 2 and (since is null or entered_at >= since)) using (company, call_id, queue_name);

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
    semi join calls_open(start, stop, companies, pbxs, directions, agents, trunks, departments, time_zone) c using (company, call_id)
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
    where pbxs is null and trunks is null and (directions is null or list_contains(directions::varchar[], 'inbound'))  -- as all offers are
    union all
    select o.* from offers_chosen(start, stop, companies, queues, agents, departments, open_minutes, holidays, time_zone) o
    semi join calls_open(start, stop, companies, pbxs, directions, null, trunks, null, time_zone) c using (company, call_id)
    where not (pbxs is null and trunks is null);

-- What persons had a part in: legs offered to them and calls that they made, as far as these were open within the period, each with the time
-- that it rang, was talked and was held within it, state by state. One counts for seven days: a mistaken end in 2099 must not be in every
-- day. While a call is in progress it goes on until the build; a lost one was open until its last event. A call without states (basis
-- vendor) is taken to ring, then to be talked, then held.
create or replace macro agent_parts(start, stop, companies, agents) as table
    with clock as (select max(as_of) as as_of from builds),
    legs as (
        select agent_of(company, callee_extension, callee_user_id) as agent, company, call_id, leg, 'called' as role, queue_name, started_at, answered_at,
            ended_at, ring_ms, talk_ms, hold_ms, other_ms, answered
        from call_legs
        where (start is null or started_at > start::timestamptz - interval 7 days) and (stop is null or started_at < stop)
          and (companies is null or list_contains(companies::varchar[], company)) and callee_user_id is not null
          and (agents is null or list_contains(agents::varchar[], agent_of(company, callee_extension, callee_user_id)))),
    mine as (
        select legs.*, c.direction, c.caller_phone as other_phone, c.caller_name as other_name, c.outcome, 'call' as basis
        from legs join (select company, call_id, direction, caller_phone, caller_name, outcome from calls
                        where (start is null or started_at > start::timestamptz - interval 14 days) and (stop is null or started_at < stop)) c using (company, call_id)
        union all by name
        select agent_of(company, caller_extension, caller_user_id) as agent, company, call_id, -1 as leg, 'caller' as role, queue_name, started_at, answered_at,
            ended_at, ring_ms, talk_ms, hold_ms, other_ms, answered_at is not null as answered, direction,
            coalesce(callee_phone, destination) as other_phone, callee_name as other_name, outcome, basis
        from calls
        where (start is null or started_at > start::timestamptz - interval 7 days) and (stop is null or started_at < stop)
          and (companies is null or list_contains(companies::varchar[], company))
          and caller_type = 'LOCAL' and coalesce(caller_extension, caller_user_id) is not null
          and (agents is null or list_contains(agents::varchar[], agent_of(company, caller_extension, caller_user_id)))),
    open as (
        select *, greatest(started_at, coalesce(start, started_at)) as from_at, least(over_at, coalesce(stop, over_at)) as until_at
        from (
            select *, least(started_at + interval 7 days, greatest(started_at,
                case when is_in_progress(outcome) and ended_at is null then as_of else call_end(started_at, ended_at, ring_ms, talk_ms, hold_ms, other_ms) end)) as over_at
            from mine, clock)
        where start is null or over_at > start or started_at >= start),
    phases as (
        select o.agent, o.company, o.call_id, o.leg, phase, greatest(s.started_at, o.from_at) as from_at, least(coalesce(s.ended_at, o.until_at), o.until_at) as until_at
        from open o join (select company, call_id, phase, started_at, ended_at from call_states
                          where (start is null or started_at > start::timestamptz - interval 7 days) and (stop is null or started_at < stop)) s
          on s.company = o.company and s.call_id = o.call_id and s.started_at >= o.started_at and s.started_at < o.over_at
        union all
        select agent, company, call_id, leg, phase.name, greatest(began_at, from_at), least(began_at + to_milliseconds(phase.ms), until_at)
        from (
            select *, started_at + to_milliseconds(phase.after_ms) as began_at
            from (select *, unnest([{'name': 'ringing', 'after_ms': 0, 'ms': ring_ms}, {'name': 'talking', 'after_ms': ring_ms, 'ms': talk_ms},
                                    {'name': 'held', 'after_ms': ring_ms + talk_ms, 'ms': hold_ms}]) as phase
                  from open where basis = 'vendor'))),
    timed as (
        select agent, company, call_id, leg, sum(ms) filter (phase = 'ringing') as ring_ms, sum(ms) filter (phase = 'talking') as talk_ms,
            sum(ms) filter (phase = 'held') as hold_ms
        from (select *, greatest(epoch_ms(until_at) - epoch_ms(from_at), 0) as ms from phases)
        group by 1, 2, 3, 4)
    select o.* exclude (ring_ms, talk_ms, hold_ms, other_ms, outcome, basis, as_of, over_at), coalesce(t.ring_ms, 0)::bigint as ring_ms,
        coalesce(t.talk_ms, 0)::bigint as talk_ms, coalesce(t.hold_ms, 0)::bigint as hold_ms
    from open o left join timed t using (agent, company, call_id, leg);

-- Intervals of presence, clipped to the period; one that goes on until the build.
create or replace macro agent_presences(start, stop, companies, agents) as table
    select agent, company, extension, kind, status, message, goes_on, greatest(started_at, coalesce(start, started_at)) as from_at, least(over_at, coalesce(stop, over_at)) as until_at
    from (
        select agent_of(company, extension, null) as agent, *, ended_at is null as goes_on, coalesce(ended_at, greatest(as_of, started_at)) as over_at
        from presence_intervals, (select max(as_of) as as_of from builds)
        where (companies is null or list_contains(companies::varchar[], company))
          and (agents is null or list_contains(agents::varchar[], agent_of(company, extension, null))))
    where (start is null or over_at > start) and (stop is null or started_at < stop);

-- Missed calls; a queue: any that they visited.
create or replace macro selected_misses(start := null, stop := null, companies := null, queues := null, trunks := null,
        open_minutes := null, holidays := null, time_zone := 'UTC') as table
    select * from missed_calls
    where (start is null or started_at >= start) and (stop is null or started_at < stop)
      and (companies is null or list_contains(companies::varchar[], company))
      and (queues is null or list_has_any(queues::varchar[], missed_calls.queues))
      and (trunks is null or list_contains(trunks::varchar[], trunk_name))
      and is_open(started_at, time_zone, open_minutes, holidays);

-- Episodes with a missed call that counts and is chosen, each by its missed calls that count. every := true says that nothing but
-- companies is asked for. Where no caller left before S the episode's own figures hold; only the few others are counted again.
create or replace macro selected_episodes(every, start, stop, companies, queues, trunks, reasons, open_minutes, business_minutes, holidays, time_zone,
        short_ms, include_short) as table
    with chosen as materialized (
        select distinct company, external_key, episode
        from selected_misses(start, stop, companies, queues, trunks, open_minutes, holidays, time_zone) m
        where not every and external_key is not null and counts_as_miss(abandoned, wait_ms, short_ms, include_short)
          and (reasons is null or list_contains(reasons::varchar[], reason_of(m, time_zone, business_minutes, holidays, short_ms)))),
    near as not materialized (
        -- Not materialized: the lists of all episodes would be read and kept for the few that are counted again.
        select * from missed_episodes where every and (companies is null or list_contains(companies::varchar[], company))
        union all
        select * from missed_episodes semi join chosen using (company, external_key, episode)
        where not every and (start is null or last_miss_at >= start) and (stop is null or first_miss_at < stop)),
    recounted as (
        select * replace (list_filter(missed, lambda m: counts_as_miss(m.left_after_ms is not null, m.left_after_ms, short_ms, include_short)) as missed)
        from near where misses > 1 and not counts_as_miss(true, least_wait_ms, short_ms, include_short))
    select company, external_key, episode, misses, first_miss_at, last_miss_at, last_call_id, tries,
        recovered_at, recovered_how, recovered_call_id, recovered_by
    from near where counts_as_miss(true, least_wait_ms, short_ms, include_short)
    union all
    select company, external_key, episode, len(missed), missed[1].started_at, missed[-1].started_at, missed[-1].call_id,
        tries(tried_at, missed[1].started_at), recovered_at, recovered_how, recovered_call_id, recovered_by
    from recounted where len(missed) > 0;

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
        talk_time(answered > 0, talk_ms) as talk_ms,
        hold_time(answered > 0, hold_ms) as hold_ms,
        holds(answered > 0, hold_count) as holds,
        transfers(answered > 0, transfer_count) as transfers,
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
        1::bigint as calls, end_cause_text
    from selected_calls(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone);

create or replace macro visit_units(start := null, stop := null, companies := null, pbxs := null, directions := null, queues := null,
        agents := null, trunks := null, departments := null, open_minutes := null, holidays := null, time_zone := 'UTC', of_calls := false) as table
    select
        quarter_of(entered_at) as quarter_at, company, queue_name, result, wait_ms as waited_ms,
        1::bigint as visits, coalesce(wait_ms, 0) as wait_ms
    from selected_visits(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone, of_calls);

-- Times that percentiles are asked of, each call once for each of its measures, by steps of time.
create or replace macro time_units(start := null, stop := null, companies := null, pbxs := null, directions := null, queues := null,
        agents := null, trunks := null, departments := null, open_minutes := null, holidays := null, time_zone := 'UTC', but_from := null, but_until := null) as table
    with ended as not materialized (
        select * from selected_calls(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone)
        where has_end and (but_from is null or started_at < but_from or started_at >= but_until))
    select day_of(started_at) as day_at, company, direction, 'wait' as measure, step_of(wait_ms) as step_ms, 1::bigint as calls from ended where direction = 'inbound'
    union all
    select day_of(started_at), company, direction, 'left', step_of(wait_ms), 1 from ended where is_abandoned(direction, abandoned, wait_ms, 0)
    union all
    select day_of(started_at), company, direction, 'talk', step_of(talk_ms), 1 from ended where is_answered(direction, has_end, answered_at, answered_by_at);

-- Units of the roll-ups where they can tell what is asked for (rolled), else of the rows: the same columns and sums. A report that knows
-- which it is names that one (catalog): to bind a statement of both takes longer than to run it.
create or replace macro rolled_calls(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) as table
    select * from calls_by_quarter
    where (start is null or quarter_at >= start) and (stop is null or quarter_at < stop)
      and (companies is null or list_contains(companies::varchar[], company))
      and (directions is null or list_contains(directions::varchar[], direction))
      and is_open(quarter_at, time_zone, open_minutes, holidays);
create or replace macro counted_calls(rolled, start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) as table
    select * from call_units(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) where not rolled
    union all by name
    select * from rolled_calls(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) where rolled;
create or replace macro rolled_abandons(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) as table
    select * from abandons_by_quarter
    where (start is null or quarter_at >= start) and (stop is null or quarter_at < stop)
      and (companies is null or list_contains(companies::varchar[], company))
      and (directions is null or list_contains(directions::varchar[], direction))
      and is_open(quarter_at, time_zone, open_minutes, holidays);
create or replace macro counted_abandons(rolled, start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) as table
    select * from abandon_units(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) where not rolled
    union all by name
    select * from rolled_abandons(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) where rolled;
create or replace macro rolled_outcomes(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) as table
    select * from outcomes_by_quarter
    where (start is null or quarter_at >= start) and (stop is null or quarter_at < stop)
      and (companies is null or list_contains(companies::varchar[], company))
      and (directions is null or list_contains(directions::varchar[], direction))
      and is_open(quarter_at, time_zone, open_minutes, holidays);
create or replace macro counted_outcomes(rolled, start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) as table
    select * from outcome_units(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) where not rolled
    union all by name
    select * from rolled_outcomes(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) where rolled;

-- ---------------------------------------------------------------------------------------------------------------------
-- By days of UTC. A period of local days is whole days of UTC and a part of a day before and after them: the whole ones come from
-- the roll-up (whole_from to before whole_until), the parts from the rows (those from rows_from to before rows_until that are not
-- from but_from to before but_until). What the roll-up cannot tell is asked of the rows altogether: then no day is whole.

-- Offers by agent, queue and department. With days only those of these days of UTC.
create or replace macro offer_units(start := null, stop := null, companies := null, pbxs := null, directions := null, queues := null,
        agents := null, trunks := null, departments := null, open_minutes := null, holidays := null, time_zone := 'UTC', days := null, but_from := null, but_until := null) as table
    select * exclude (last), last.offered_at as last_offered_at, last.name as last_name from (
        select day_of(offered_at) as day_at, company, coalesce(extension, user_id) as extension, queue_name, department,
        count(*) filter (result = 'answered') as answered, count(*) filter (result = 'caller_left') as caller_left,
        count(*) filter (result = 'taken') as taken, count(*) filter (result = 'lost') as lost, count(*) filter (result = 'open') as open,
        count(*) filter (transferred) as transferred, bounded_sum(ring_ms) as ring_ms,
        coalesce(bounded_sum(case when result = 'answered' then talk_ms end), 0) as talk_ms,
        coalesce(bounded_sum(case when result = 'answered' then hold_ms end), 0) as hold_ms,
        max({'offered_at': offered_at, 'name': name}) as last
        from selected_offers(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone)
        where (days is null or day_of(offered_at) in (select unnest(days::timestamptz[])))
          and (but_from is null or offered_at < but_from or offered_at >= but_until)
        group by 1, 2, 3, 4, 5);

-- Calls by one dimension at a time: direction, trunk, queue (once in each that they visited), department (that answered first), cause; and outbound
-- calls by the prefix of the number and by caller (a person's extension, without one the user id), the latter with the newest name.
create or replace macro dimension_units(start := null, stop := null, companies := null, pbxs := null, directions := null, queues := null,
        agents := null, trunks := null, departments := null, open_minutes := null, holidays := null, time_zone := 'UTC', days := null, but_from := null, but_until := null) as table
    with chosen as (
        select * from selected_calls(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone)
        where (days is null or day_of(started_at) in (select unnest(days::timestamptz[])))
          and (but_from is null or started_at < but_from or started_at >= but_until)),
    counted as (
        select day_of(started_at) as day_at, company, direction, trunk_name, answered_by_department, end_cause_name,
            count(*) as calls, count(*) filter (has_end) as ended,
            count(*) filter (is_answered(direction, has_end, answered_at, answered_by_at)) as answered,
            count(*) filter (is_abandoned(direction, abandoned, wait_ms, 0)) as left_waiting,
            count(*) filter (has_end and outcome = 'busy') as busy, count(*) filter (has_end and outcome in ('no_answer', 'abandoned')) as no_answer,
            count(*) filter (has_end and outcome = 'rejected') as rejected, count(*) filter (has_end and outcome = 'failed') as failed,
            count(*) filter (is_short_call(has_end, answered_at, talk_ms)) as short_calls,
            bounded_sum(case when is_answered(direction, has_end, answered_at, answered_by_at) then talk_ms end) as talk_ms
        from chosen group by 1, 2, 3, 4, 5, 6)
    select day_at, company,
        case when grouping(trunk_name) = 0 then 'trunk' when grouping(answered_by_department) = 0 then 'department'
            when grouping(end_cause_name) = 0 then 'cause' else 'direction' end as dimension,
        case dimension when 'trunk' then trunk_name when 'department' then answered_by_department
            when 'cause' then end_cause_name else direction end as value,
        direction, sum(calls)::bigint as calls, sum(ended)::bigint as ended, sum(answered)::bigint as answered, sum(left_waiting)::bigint as left_waiting,
        sum(busy)::bigint as busy, sum(no_answer)::bigint as no_answer, sum(rejected)::bigint as rejected, sum(failed)::bigint as failed,
        sum(short_calls)::bigint as short_calls, coalesce(bounded_sum(talk_ms), 0) as talk_ms,
        null::timestamptz as last_at, null::varchar as last_name, null::varchar as last_department
    from counted
    group by grouping sets ((day_at, company, direction), (day_at, company, direction, trunk_name),
        (day_at, company, direction, answered_by_department), (day_at, company, direction, end_cause_name))
    union all
    select day_of(started_at), company, 'queue', v.queue_name, direction,
        count(*), count(*) filter (has_end), count(*) filter (is_answered(direction, has_end, answered_at, answered_by_at)),
        count(*) filter (is_abandoned(direction, abandoned, wait_ms, 0)),
        count(*) filter (has_end and outcome = 'busy'), count(*) filter (has_end and outcome in ('no_answer', 'abandoned')),
        count(*) filter (has_end and outcome = 'rejected'), count(*) filter (has_end and outcome = 'failed'),
        count(*) filter (is_short_call(has_end, answered_at, talk_ms)),
        coalesce(bounded_sum(case when is_answered(direction, has_end, answered_at, answered_by_at) then talk_ms end), 0), null, null, null
    from chosen
    join visited_queues(start) v using (company, call_id)
    group by 1, 2, 4, 5
    union all
    select day_at, company, dimension, value, 'outbound', calls, ended, answered, 0, busy, no_answer, rejected, failed, short_calls, talk_ms,
        case when dimension = 'caller' then last.started_at end, case when dimension = 'caller' then last.name end,
        case when dimension = 'caller' then last.department end
    from (
        select day_of(started_at) as day_at, company, case when grouping(prefix) = 0 then 'prefix' else 'caller' end as dimension,
            coalesce(prefix, caller) as value,
            count(*) as calls, count(*) as ended, count(*) filter (is_reached(direction, has_end, answered_at)) as answered,
            count(*) filter (outcome = 'busy') as busy, count(*) filter (outcome in ('no_answer', 'abandoned')) as no_answer,
            count(*) filter (outcome = 'rejected') as rejected, count(*) filter (outcome = 'failed') as failed,
            count(*) filter (is_short_call(has_end, answered_at, talk_ms)) as short_calls,
            coalesce(bounded_sum(case when is_reached(direction, has_end, answered_at) then talk_ms end), 0) as talk_ms,
            max({'started_at': started_at, 'name': caller_name, 'department': caller_department}) as last
        from (select *, prefix_of(external_phone) as prefix, coalesce(caller_extension, caller_user_id) as caller
              from chosen where is_attempt(direction, has_end))
        group by grouping sets ((1, 2, prefix), (1, 2, caller)))
    where dimension = 'prefix' or value is not null;

-- Calls by the way in which they ended, on each trunk (that have ended), and to each prefix (outbound ones with an end).
create or replace macro cause_units(start := null, stop := null, companies := null, pbxs := null, directions := null, queues := null,
        agents := null, trunks := null, departments := null, open_minutes := null, holidays := null, time_zone := 'UTC', days := null, but_from := null, but_until := null) as table
    with counted as (
        select day_of(started_at) as day_at, company, case when has_ended(outcome) then trunk_name end as trunk,
            case when is_attempt(direction, has_end) then prefix_of(external_phone) end as prefix,
            end_cause_category, end_cause_name, end_cause, count(*) as calls
        from selected_calls(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone)
        where (days is null or day_of(started_at) in (select unnest(days::timestamptz[])))
          and (but_from is null or started_at < but_from or started_at >= but_until)
        group by all)
    select day_at, company, 'trunk' as dimension, trunk as value, end_cause_category, end_cause_name, end_cause, sum(calls)::bigint as calls
    from counted where trunk is not null group by all
    union all
    select day_at, company, 'prefix', prefix, end_cause_category, end_cause_name, end_cause, sum(calls)::bigint
    from counted where prefix is not null group by all;

create or replace macro counted_offers(whole_from, whole_until, rows_from, rows_until, but_from, but_until, companies, pbxs, directions, queues,
        agents, trunks, departments, open_minutes, holidays, time_zone) as table
    select * from offers_by_day
    where (whole_from is null or day_at >= whole_from) and (whole_until is null or day_at < whole_until)
      and (companies is null or list_contains(companies::varchar[], company))
    union all by name
    select * from offer_units(rows_from, rows_until, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone,
        null, but_from, but_until);
create or replace macro counted_dimensions(whole_from, whole_until, rows_from, rows_until, but_from, but_until, companies, pbxs, directions, queues,
        agents, trunks, departments, open_minutes, holidays, time_zone) as table
    select * from dimensions_by_day
    where (whole_from is null or day_at >= whole_from) and (whole_until is null or day_at < whole_until)
      and (companies is null or list_contains(companies::varchar[], company))
    union all by name
    select * from dimension_units(rows_from, rows_until, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone,
        null, but_from, but_until);
create or replace macro counted_causes(whole_from, whole_until, rows_from, rows_until, but_from, but_until, companies, pbxs, directions, queues,
        agents, trunks, departments, open_minutes, holidays, time_zone) as table
    select * from causes_by_day
    where (whole_from is null or day_at >= whole_from) and (whole_until is null or day_at < whole_until)
      and (companies is null or list_contains(companies::varchar[], company))
    union all by name
    select * from cause_units(rows_from, rows_until, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone,
        null, but_from, but_until);

-- ---------------------------------------------------------------------------------------------------------------------
-- Queue visits by thresholds: T, S and the formula of each queue, else the general ones.

create or replace macro queue_thresholds(queue_settings) as table
    select unnest(queue_settings::struct(queue_name varchar, within_ms bigint, short_ms bigint, goal double, formula varchar)[], recursive := true);

-- Visits by quarter hour and formula. What no threshold decides comes from queues_by_quarter; of the histogram only waits up to
-- most_ms, the greatest of all T and S, are read.
create or replace macro queue_quarters(rolled, start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone,
        of_calls, queue_settings, within_ms, short_ms, formula, most_ms) as table
    with counted as (
        select quarter_at, queue_name, visits, visits - open as offered, answered, caller_left, overflowed, unanswered, open, answered_wait_ms, left_wait_ms,
            wait_ms as offered_wait_ms, null as in_time, null as left_in_time, null as short_abandoned, null as short_wait_ms
        from queues_by_quarter
        where rolled and (start is null or quarter_at >= start) and (stop is null or quarter_at < stop)
          and (companies is null or list_contains(companies::varchar[], company))
          and (queues is null or list_contains(queues::varchar[], queue_name))
          and is_open(quarter_at, time_zone, open_minutes, holidays)
        union all by name
        select quarter_at, queue_name,
            case when is_visit_in_time(result, waited_ms, coalesce(t.within_ms, within_ms)) then visits end as in_time,
            case when is_visit_left_in_time(result, waited_ms, coalesce(t.within_ms, within_ms)) then visits end as left_in_time,
            case when is_visit_short(result, waited_ms, coalesce(t.short_ms, short_ms)) then visits end as short_abandoned,
            case when is_visit_short(result, waited_ms, coalesce(t.short_ms, short_ms)) then wait_ms end as short_wait_ms
        from visits_by_quarter left join queue_thresholds(queue_settings) t using (queue_name)
        where rolled and waited_ms <= most_ms and (start is null or quarter_at >= start) and (stop is null or quarter_at < stop)
          and (companies is null or list_contains(companies::varchar[], company))
          and (queues is null or list_contains(queues::varchar[], queue_name))
          and is_open(quarter_at, time_zone, open_minutes, holidays)
        union all by name
        select quarter_at, queue_name, visits,
            case when is_visit_offered(result) then visits end as offered, case when result = 'answered' then visits end as answered,
            case when is_visit_abandoned(result, waited_ms, 0) then visits end as caller_left,
            case when is_visit_overflowed(result) then visits end as overflowed, case when result = 'unanswered' then visits end as unanswered,
            case when result = 'open' then visits end as open, case when result = 'answered' then wait_ms end as answered_wait_ms,
            case when is_visit_abandoned(result, waited_ms, 0) then wait_ms end as left_wait_ms, case when result <> 'open' then wait_ms end as offered_wait_ms,
            case when is_visit_in_time(result, waited_ms, coalesce(t.within_ms, within_ms)) then visits end as in_time,
            case when is_visit_left_in_time(result, waited_ms, coalesce(t.within_ms, within_ms)) then visits end as left_in_time,
            case when is_visit_short(result, waited_ms, coalesce(t.short_ms, short_ms)) then visits end as short_abandoned,
            case when is_visit_short(result, waited_ms, coalesce(t.short_ms, short_ms)) then wait_ms end as short_wait_ms
        from visit_units(start, stop, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone, of_calls)
        left join queue_thresholds(queue_settings) t using (queue_name)
        where not rolled),
    summed as (
        select quarter_at, coalesce(t.formula, formula) as formula_in_force, sum(visits) as visits, sum(offered) as offered, sum(answered) as answered,
            sum(caller_left) as caller_left, sum(overflowed) as overflowed, sum(unanswered) as unanswered, sum(open) as open,
            sum(in_time) as in_time, sum(left_in_time) as left_in_time, sum(short_abandoned) as short_abandoned,
            sum(answered_wait_ms) as answered_wait_ms, sum(offered_wait_ms) as offered_wait_ms, sum(left_wait_ms) as left_wait_ms,
            sum(short_wait_ms) as short_wait_ms
        from counted left join queue_thresholds(queue_settings) t using (queue_name)
        group by 1, 2)
    select quarter_at, formula_in_force, visits, coalesce(offered, 0) as offered, coalesce(answered, 0) as answered, coalesce(in_time, 0) as in_time,
        coalesce(left_in_time, 0) as left_in_time, coalesce(caller_left, 0) - coalesce(short_abandoned, 0) as abandoned,
        coalesce(short_abandoned, 0) as short_abandoned, coalesce(overflowed, 0) as overflowed, coalesce(unanswered, 0) as unanswered,
        coalesce(open, 0) as open, answered_wait_ms, offered_wait_ms, left_wait_ms - coalesce(short_wait_ms, 0) as abandoned_wait_ms
    from summed;

-- Visits by result and wait, without their time: whole months of UTC from visits_by_month, the parts of a month before and after
-- them from visits_by_quarter; or all of the rows; likewise.
create or replace macro rolled_waits(month_from, month_until, month_rows_from, month_rows_until, month_but_from, month_but_until,
        companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone, of_calls) as table
    select company, queue_name, result, waited_ms, visits, wait_ms from visits_by_month
    where (month_from is null or month_at >= month_from) and (month_until is null or month_at < month_until)
      and (companies is null or list_contains(companies::varchar[], company))
      and (queues is null or list_contains(queues::varchar[], queue_name))
    union all
    select company, queue_name, result, waited_ms, visits, wait_ms from visits_by_quarter
    where (month_rows_from is null or quarter_at >= month_rows_from) and (month_rows_until is null or quarter_at < month_rows_until)
      and (month_but_from is null or quarter_at < month_but_from or quarter_at >= month_but_until)
      and (companies is null or list_contains(companies::varchar[], company))
      and (queues is null or list_contains(queues::varchar[], queue_name))
      and is_open(quarter_at, time_zone, open_minutes, holidays);
create or replace macro wait_units(month_from, month_until, month_rows_from, month_rows_until, month_but_from, month_but_until,
        companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone, of_calls) as table
    select company, queue_name, result, waited_ms, visits, wait_ms
    from visit_units(month_rows_from, month_rows_until, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone, of_calls);
create or replace macro counted_waits(rolled, month_from, month_until, month_rows_from, month_rows_until, month_but_from, month_but_until,
        companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone, of_calls) as table
    select * from wait_units(month_from, month_until, month_rows_from, month_rows_until, month_but_from, month_but_until,
        companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone, of_calls) where not rolled
    union all
    select * from rolled_waits(month_from, month_until, month_rows_from, month_rows_until, month_but_from, month_but_until,
        companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone, of_calls) where rolled;

-- Times by steps, without their day: whole months of UTC from times_by_month, the parts of a month before and after them from the
-- rows. Where the months cannot tell (not rolled) there is nothing: a report then asks the rows themselves.
create or replace macro counted_times(rolled, months_from, months_until, months_rows_from, months_rows_until, months_but_from, months_but_until,
        companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays, time_zone) as table
    select measure, step_ms, calls from times_by_month
    where rolled and (months_from is null or month_at >= months_from) and (months_until is null or month_at < months_until)
      and (companies is null or list_contains(companies::varchar[], company))
      and (directions is null or list_contains(directions::varchar[], direction))
    union all
    select measure, step_ms, calls
    from time_units(months_rows_from, months_rows_until, companies, pbxs, directions, queues, agents, trunks, departments, open_minutes, holidays,
        time_zone, months_but_from, months_but_until)
    where rolled;
