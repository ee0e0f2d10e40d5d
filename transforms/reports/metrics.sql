-- Every formula of the reports, once. Executed into the warehouse at each publish, so a page, a file and an analyst's own
-- SQL give one number. Each macro that is a metric carries its description: lines `key: text` right above it, which become
-- the macro's comment, docs/metrics.md and the page of definitions (transforms.reports.catalog reads them). A macro without
-- such lines of its own is no metric, whatever stands above its neighbour.
--
-- Figures of a site are of calls and belong to the local interval of started_at (others book them to the interval of the
-- disconnect); figures of a queue are of visits and belong to entered_at; figures of an agent are of offers and belong to
-- the start of the offer. Rates have no value where their denominator is 0. Calls in progress and lost calls have no end,
-- so they are in no rate. No table is read here.

-- ---------------------------------------------------------------------------------------------------------------------
-- What a row is

-- A sum that never leaves 63 bits: the vendor's figures have 15 digits each, and a mistaken one must not fail a build.
create or replace macro bounded_sum(x) as case when sum(x) > 9223372036854775807 then 9223372036854775807 else sum(x)::bigint end;
create or replace macro share(part, whole) as part / nullif(whole, 0);

-- label: Offered calls
-- formula: inbound calls that have ended
-- grain: call
-- unit: calls
-- source: calls.direction, calls.has_end
create or replace macro is_offered(direction, has_end) as coalesce(direction = 'inbound' and has_end, false);

-- label: Answered calls
-- formula: inbound: a person answered (answered_by_at is there; a queue or an announcement that picks up is no answer); others: answered_at is there
-- grain: call
-- unit: calls
-- source: calls.direction, calls.has_end, calls.answered_at, calls.answered_by_at
create or replace macro is_answered(direction, has_end, answered_at, answered_by_at) as
    coalesce(has_end and case when direction = 'inbound' then answered_by_at is not null else answered_at is not null end, false);

-- label: Abandoned calls
-- formula: inbound, ended by the caller before any answer, whatever the cause or outcome, after a wait of at least S
-- grain: call
-- unit: calls
-- source: calls.direction, calls.abandoned, calls.wait_ms, setting short_abandon_s
create or replace macro is_abandoned(direction, abandoned, wait_ms, short_ms) as
    coalesce(direction = 'inbound' and abandoned and wait_ms >= short_ms, false);

-- label: Short abandons
-- formula: as abandoned, after a wait of less than S: a count, in no rate
-- grain: call
-- unit: calls
-- source: calls.direction, calls.abandoned, calls.wait_ms, setting short_abandon_s
create or replace macro is_short_abandon(direction, abandoned, wait_ms, short_ms) as
    coalesce(direction = 'inbound' and abandoned and wait_ms < short_ms, false);

-- label: Missed calls
-- formula: inbound, ended, no person answered, whatever the outcome: one a call, never one a phone that rang
-- grain: call
-- unit: calls
-- source: calls.direction, calls.has_end, calls.answered_by_at
create or replace macro is_missed(direction, has_end, answered_by_at) as
    coalesce(direction = 'inbound' and has_end and answered_by_at is null, false);

-- label: Picked up by no person
-- formula: inbound, ended, answered_at is there but answered_by_at is not: a queue, an announcement or a machine picked up
-- grain: call
-- unit: calls
-- source: calls.direction, calls.has_end, calls.answered_at, calls.answered_by_at
create or replace macro is_picked_up(direction, has_end, answered_at, answered_by_at) as
    coalesce(direction = 'inbound' and has_end and answered_at is not null and answered_by_at is null, false);

-- label: Unanswered calls
-- formula: missed, but neither abandoned nor a short abandon: ended by the system, by an unknown side, or after a machine picked up
-- grain: call
-- unit: calls
-- source: calls.direction, calls.has_end, calls.answered_by_at, calls.abandoned
create or replace macro is_unanswered(direction, has_end, answered_by_at, abandoned) as
    coalesce(direction = 'inbound' and has_end and answered_by_at is null and abandoned is not true, false);

-- label: Outbound attempts
-- formula: outbound calls that have ended
-- grain: call
-- unit: calls
-- source: calls.direction, calls.has_end
create or replace macro is_attempt(direction, has_end) as coalesce(direction = 'outbound' and has_end, false);

-- label: Outbound answered
-- formula: outbound calls that have ended and were answered (answered_at)
-- grain: call
-- unit: calls
-- source: calls.direction, calls.has_end, calls.answered_at
create or replace macro is_reached(direction, has_end, answered_at) as
    coalesce(direction = 'outbound' and has_end and answered_at is not null, false);

-- label: Abandoned on hold
-- formula: the last state is held and the side outside ended the call: the caller if inbound, the callee if outbound
-- grain: call
-- unit: calls
-- source: call_states.phase, calls.direction, calls.ended_by
-- (No comparison with a case: where all calls have one direction that is neither, DuckDB 2.0 folds it to null and fails to bind.)
create or replace macro is_abandoned_on_hold(direction, last_phase, ended_by) as
    coalesce(last_phase = 'held' and (direction = 'inbound' and ended_by = 'caller' or direction = 'outbound' and ended_by = 'callee'), false);

-- label: Short calls
-- formula: answered, talk below 10 s; they stay in every rate
-- grain: call
-- unit: calls
-- source: calls.answered_at, calls.has_end, calls.talk_ms
create or replace macro is_short_call(has_end, answered_at, talk_ms) as coalesce(has_end and answered_at is not null and talk_ms < 10000, false);

-- label: Voicemail
-- formula: the flag voicemail is among the call's flags, where the phone system sends it
-- grain: call
-- unit: calls
-- source: calls.flags
create or replace macro is_voicemail(flags) as list_contains(flags, 'voicemail');

-- label: In progress
-- formula: no end has come and the last event is less than 4 h before the build: shown apart, in no rate
-- grain: call
-- unit: calls
-- source: calls.outcome
create or replace macro is_in_progress(outcome) as outcome = 'in_progress';

-- label: Lost
-- formula: no end has come and the last event is 4 h or more before the build: shown apart, never summed as talk
-- grain: call
-- unit: calls
-- source: calls.outcome
create or replace macro is_lost(outcome) as outcome = 'lost';

-- label: Ended calls
-- formula: an end has come: all but those in progress and the lost
-- grain: call
-- unit: calls
-- source: calls.outcome
create or replace macro has_ended(outcome) as not (is_in_progress(outcome) or is_lost(outcome));

-- label: Outcome is not abandoned, the caller left
-- formula: inbound calls that count as abandoned or short abandon though their outcome is another
-- grain: call
-- unit: calls
-- source: calls.direction, calls.abandoned, calls.outcome
create or replace macro is_otherwise_abandoned(direction, abandoned, outcome) as
    coalesce(direction = 'inbound' and abandoned and outcome <> 'abandoned', false);

-- The predicate behind a figure that opens a list of calls; null means every call.
create or replace macro is_figure(figure, direction, has_end, answered_at, answered_by_at, abandoned, wait_ms, talk_ms, outcome, flags, short_ms) as
    case figure
        when 'offered' then is_offered(direction, has_end)
        when 'answered' then direction = 'inbound' and is_answered(direction, has_end, answered_at, answered_by_at)
        when 'abandoned' then is_abandoned(direction, abandoned, wait_ms, short_ms)
        when 'short_abandoned' then is_short_abandon(direction, abandoned, wait_ms, short_ms)
        when 'missed' then is_missed(direction, has_end, answered_by_at)
        when 'unanswered' then is_unanswered(direction, has_end, answered_by_at, abandoned)
        when 'picked_up' then is_picked_up(direction, has_end, answered_at, answered_by_at)
        when 'attempts' then is_attempt(direction, has_end)
        when 'reached' then is_reached(direction, has_end, answered_at)
        when 'inbound' then direction = 'inbound'
        when 'outbound' then direction = 'outbound'
        when 'internal' then direction = 'internal'
        when 'unknown_direction' then direction not in ('inbound', 'outbound', 'internal')
        when 'talked' then is_answered(direction, has_end, answered_at, answered_by_at)
        when 'in_progress' then is_in_progress(outcome)
        when 'lost' then is_lost(outcome)
        when 'ended' then has_end
        when 'short_calls' then is_short_call(has_end, answered_at, talk_ms)
        when 'voicemail' then is_voicemail(flags)
        when 'otherwise_abandoned' then is_otherwise_abandoned(direction, abandoned, outcome)
        when 'tries' then direction = 'outbound' and answered_at is null
        else figure is null
    end;

-- label: Why a call was missed
-- formula: the first that holds: out_of_hours · short_abandon · failed (outcome) · nobody_rang (no leg with a user) · rang_not_answered · abandoned_in_queue · other
-- grain: missed call
-- unit: reason
-- source: missed_calls, setting business_hours, setting short_abandon_s
create or replace macro missed_reason(open, abandoned, wait_ms, outcome, users_rung, users_unanswered, visits, short_ms) as
    case
        when not open then 'out_of_hours'
        when abandoned and wait_ms < short_ms then 'short_abandon'
        when outcome = 'failed' then 'failed'
        when users_rung = 0 then 'nobody_rang'
        when users_unanswered > 0 then 'rang_not_answered'
        when abandoned and visits > 0 then 'abandoned_in_queue'
        else 'other'
    end;

-- label: Class of an offer
-- formula: answered · caller_left (the caller hung up while it rang: leg and call end together, ended by the caller) · taken (the call's first answer came while it rang or later, and from another person) · lost
-- grain: offer (an inbound leg with a user); a talk that comes back is another offer of the same call
-- unit: class
-- source: call_legs, calls.ended_at, calls.ended_by, calls.answered_by_at, calls.answered_by_user_id
create or replace macro offer_result(answered, user_id, leg_started_at, leg_ended_at, call_ended_at, ended_by, answered_by_at, answered_by_user_id) as
    case
        when answered then 'answered'
        when call_ended_at is null and leg_ended_at is null then 'open'
        when coalesce(leg_ended_at = call_ended_at and ended_by = 'caller', false) then 'caller_left'
        when answered_by_at >= leg_started_at and answered_by_user_id <> user_id then 'taken'
        else 'lost'
    end;

-- An agent's name in filters: the phone system's own presence id, <company>_<extension>; without an extension the user id.
create or replace macro agent_of(company, extension, user_id) as company || '_' || coalesce(extension, user_id);

-- ---------------------------------------------------------------------------------------------------------------------
-- Rates and means, from counts and sums

-- label: Answer rate
-- formula: answered / (offered − short abandons)
-- grain: calls of a site, or visits of a queue
-- unit: share
-- source: is_answered, is_offered, is_short_abandon
create or replace macro answer_rate(answered, offered, short_abandons) as share(answered, offered - short_abandons);

-- label: Abandonment rate
-- formula: abandoned / (offered − short abandons)
-- grain: calls of a site, or visits of a queue
-- unit: share
-- source: is_abandoned, is_offered, is_short_abandon
create or replace macro abandonment_rate(abandoned, offered, short_abandons) as share(abandoned, offered - short_abandons);

-- label: Service level, default
-- formula: answered within T / (offered − short abandons); overflowed visits stay in offered
-- grain: visits of a queue
-- unit: share
-- source: queue_visits.result, queue_visits.wait_ms, setting service_level_s, setting short_abandon_s
create or replace macro service_level(answered_in_time, offered, short_abandons) as share(answered_in_time, offered - short_abandons);

-- label: Service level, abandons negative
-- formula: answered within T / offered
-- grain: visits of a queue
-- unit: share
-- source: queue_visits.result, queue_visits.wait_ms, setting service_level_s
create or replace macro service_level_abandons_negative(answered_in_time, offered) as share(answered_in_time, offered);

-- label: Service level, abandons ignored
-- formula: answered within T / (offered − abandoned within T)
-- grain: visits of a queue
-- unit: share
-- source: queue_visits.result, queue_visits.wait_ms, setting service_level_s
create or replace macro service_level_abandons_ignored(answered_in_time, offered, left_in_time) as share(answered_in_time, offered - left_in_time);

-- label: Service level, abandons positive
-- formula: (answered within T + abandoned within T) / offered
-- grain: visits of a queue
-- unit: share
-- source: queue_visits.result, queue_visits.wait_ms, setting service_level_s
create or replace macro service_level_abandons_positive(answered_in_time, offered, left_in_time) as share(answered_in_time + left_in_time, offered);

-- label: Service level, of answered only
-- formula: answered within T / answered
-- grain: visits of a queue
-- unit: share
-- source: queue_visits.result, queue_visits.wait_ms, setting service_level_s
create or replace macro service_level_of_answered_only(answered_in_time, answered) as share(answered_in_time, answered);

-- label: Service level, overflow ignored
-- formula: answered within T / (offered − short abandons − overflowed): a visit that went on to another queue counts there alone
-- grain: visits of a queue
-- unit: share
-- source: queue_visits.result, queue_visits.wait_ms, setting service_level_s, setting short_abandon_s
create or replace macro service_level_overflow_ignored(answered_in_time, offered, short_abandons, overflowed) as
    share(answered_in_time, offered - short_abandons - overflowed);

-- label: Service level in force
-- formula: the one of the six that service_level_formula names, by queue; of several queues: the sum of their numerators / the sum of their denominators
-- grain: visits of a queue
-- unit: share
-- source: queue_visits, setting service_level_formula
create or replace macro service_level_in_force(numerator, denominator) as share(numerator, denominator);
create or replace macro service_level_numerator(formula, answered_in_time, left_in_time) as
    case when formula = 'abandons_positive' then answered_in_time + left_in_time else answered_in_time end;
create or replace macro service_level_denominator(formula, offered, answered, short_abandons, left_in_time, overflowed) as
    case formula
        when 'default' then offered - short_abandons
        when 'abandons_negative' then offered
        when 'abandons_ignored' then offered - left_in_time
        when 'abandons_positive' then offered
        when 'of_answered_only' then answered
        when 'overflow_ignored' then offered - short_abandons - overflowed
    end;

-- label: Average speed of answer
-- formula: sum of wait / answered, of answered visits; from the entry into the queue (an announcement before it is not in it)
-- grain: visits of a queue
-- unit: ms
-- source: queue_visits.wait_ms, queue_visits.result
create or replace macro average_speed_of_answer(answered_wait_ms, answered) as share(answered_wait_ms, answered);

-- label: Average wait
-- formula: sum of wait / calls, inbound calls that have ended; until the first answer of any kind, else until the end
-- grain: call
-- unit: ms
-- source: calls.wait_ms
create or replace macro average_wait(wait_ms, calls) as share(wait_ms, calls);

-- label: Time to abandon
-- formula: sum of wait / abandoned
-- grain: calls of a site, or visits of a queue
-- unit: ms
-- source: calls.wait_ms, queue_visits.wait_ms
create or replace macro time_to_abandon(abandoned_wait_ms, abandoned) as share(abandoned_wait_ms, abandoned);

-- label: Patience
-- formula: of those still waiting at the beginning of a step of 5 s, the share that hangs up within it
-- grain: visits of a queue
-- unit: share
-- source: queue_visits.wait_ms, queue_visits.result
create or replace macro patience(left_in_step, still_waiting) as share(left_in_step, still_waiting);

-- label: Average talk time
-- formula: sum of talk / answered; talk is without hold
-- grain: call, or offer to an agent
-- unit: ms
-- source: calls.talk_ms, agent_offers.talk_ms
create or replace macro average_talk(talk_ms, answered) as share(talk_ms, answered);

-- label: Average handling time, without wrap-up
-- formula: (talk + hold) / answered; work after the call is not in the phone system's events
-- grain: call, or offer
-- unit: ms
-- source: calls.talk_ms, calls.hold_ms, agent_offers.talk_ms, agent_offers.hold_ms
create or replace macro average_handling_time(talk_ms, hold_ms, answered) as share(talk_ms + hold_ms, answered);

-- label: Percentiles
-- formula: the value below which a share of all values lies, interpolated between neighbours; exact, never approximated; several shares at once
-- grain: as the values
-- unit: as the values
-- source: wait_ms, talk_ms
create or replace macro percentiles_of(values_ms, shares) as quantile_cont(values_ms, shares);

-- label: Median
-- formula: the value below which half of all values lie, interpolated between neighbours; exact, never approximated
-- grain: as the values
-- unit: as the values
-- source: wait_ms, talk_ms
create or replace macro median_of(values_ms) as quantile_cont(values_ms, 0.5);

-- label: 90th percentile
-- formula: the value below which 90 % of all values lie, interpolated between neighbours; exact, never approximated
-- grain: as the values
-- unit: as the values
-- source: wait_ms, talk_ms
create or replace macro p90_of(values_ms) as quantile_cont(values_ms, 0.9);

-- label: 95th percentile
-- formula: the value below which 95 % of all values lie, interpolated between neighbours; exact, never approximated
-- grain: as the values
-- unit: as the values
-- source: wait_ms, talk_ms
create or replace macro p95_of(values_ms) as quantile_cont(values_ms, 0.95);

-- label: Longest wait
-- formula: the greatest wait; of calls until the first answer of any kind, of visits from the entry into the queue, else until the end
-- grain: call, or visit of a queue
-- unit: ms
-- source: calls.wait_ms, queue_visits.wait_ms
create or replace macro longest_wait(wait_ms) as max(wait_ms);

-- label: Talk time
-- formula: time talking of answered calls, without hold, of all their legs
-- grain: call
-- unit: ms
-- source: calls.talk_ms
create or replace macro talk_time(is_answered, talk_ms) as case when is_answered then talk_ms else 0 end;

-- label: Hold time
-- formula: time held of answered calls
-- grain: call
-- unit: ms
-- source: calls.hold_ms
create or replace macro hold_time(is_answered, hold_ms) as case when is_answered then hold_ms else 0 end;

-- label: Holds
-- formula: how often answered calls were held; two holds without talk between them are one
-- grain: call
-- unit: count
-- source: calls.hold_count
create or replace macro holds(is_answered, hold_count) as case when is_answered then hold_count else 0 end;

-- label: Transfers
-- formula: persons that talked in an answered call one after the other, less one; within one call id: a consultation call has its own
-- grain: call
-- unit: count
-- source: calls.transfer_count
create or replace macro transfers(is_answered, transfer_count) as case when is_answered then transfer_count else 0 end;

-- label: Calls an hour
-- formula: calls / hours of the period with this weekday and local hour; hours without calls count
-- grain: local weekday and hour
-- unit: calls
-- source: calls_by_quarter
create or replace macro calls_an_hour(calls, hours) as share(calls, hours);

-- label: Agent answer rate
-- formula: answered offers / offers
-- grain: offer (an inbound leg with a user); with ring-all several phones are offered one call
-- unit: share
-- source: agent_offers.result
create or replace macro agent_answer_rate(answered, offers) as share(answered, offers);

-- label: Occupancy
-- formula: time talking / time registered, ringing or talking, of the phone, within the period ∩ business hours ∩ status available
-- grain: agent
-- unit: share
-- source: presence_intervals, setting business_hours
create or replace macro occupancy(busy_ms, ready_ms) as share(busy_ms, ready_ms);

-- label: On duty
-- formula: time during which the phone is registered, ringing or talking, within the period ∩ business hours ∩ status available
-- grain: agent
-- unit: ms
-- source: presence_intervals, setting business_hours
create or replace macro is_phone_ready(status) as coalesce(status in ('registered', 'ringing', 'talking', 'rt'), false);

-- label: Phone in a call
-- formula: time on duty during which the phone is talking, ringing for another call too
-- grain: agent
-- unit: ms
-- source: presence_intervals
create or replace macro is_phone_busy(status) as coalesce(status in ('talking', 'rt'), false);

-- label: Available
-- formula: time with the status available or online
-- grain: agent
-- unit: ms
-- source: presence_intervals
create or replace macro is_available(status) as coalesce(status in ('available', 'online'), false);

-- label: Busy
-- formula: time with the status busy or dnd (do not disturb)
-- grain: agent
-- unit: ms
-- source: presence_intervals
create or replace macro is_busy(status) as coalesce(status in ('busy', 'dnd'), false);

-- label: Away
-- formula: time with any status that is neither available nor busy; without a status nothing is known
-- grain: agent
-- unit: ms
-- source: presence_intervals
create or replace macro is_away(status) as coalesce(status <> '' and not is_available(status) and not is_busy(status), false);

-- label: Time in calls
-- formula: ring + talk + hold of the legs offered to a person and the calls made by them, within the period; of two at once each counts
-- grain: agent
-- unit: ms
-- source: call_states, call_legs, calls
create or replace macro time_in_calls(ring_ms, talk_ms, hold_ms) as ring_ms + talk_ms + hold_ms;

-- label: Missed callers recovered
-- formula: episodes in which a person was reached within the callback window / all episodes
-- grain: episode: one caller from a first missed call to the first contact that reached a person
-- unit: share
-- source: missed_episodes, missed_calls, setting callback_days
create or replace macro recovery_rate(recovered, episodes) as share(recovered, episodes);

-- label: State of a missed caller
-- formula: recovered: a person was reached within the callback window after the first missed call · late: after it · open: not reached, within it · expired: not reached, it is over
-- grain: episode: one caller from a first missed call to the first contact that reached a person
-- unit: state
-- source: missed_episodes, builds.as_of, setting callback_days
create or replace macro episode_state(first_miss_at, recovered_at, as_of, callback_days) as
    case
        when epoch_ms(recovered_at) - epoch_ms(first_miss_at) <= 86400000::bigint * callback_days then 'recovered'
        when recovered_at is not null then 'late'
        when epoch_ms(as_of) - epoch_ms(first_miss_at) <= 86400000::bigint * callback_days then 'open'
        else 'expired'
    end;

-- label: Time to recovery
-- formula: from the first missed call of an episode to the contact that reached a person; of several episodes the median
-- grain: episode that has been recovered
-- unit: ms
-- source: missed_episodes.first_miss_at, missed_episodes.recovered_at
create or replace macro time_to_recovery(first_miss_at, recovered_at) as epoch_ms(recovered_at) - epoch_ms(first_miss_at);

-- label: Waits since
-- formula: from the first missed call of an episode to the contact that reached a person, without one until now (the build)
-- grain: episode
-- unit: ms
-- source: missed_episodes.first_miss_at, missed_episodes.recovered_at, builds.as_of
create or replace macro waits_since(first_miss_at, recovered_at, as_of) as time_to_recovery(first_miss_at, coalesce(recovered_at, as_of));

-- label: Our tries
-- formula: our outbound calls to the number, from the first missed call of the episode on, that reached nobody
-- grain: episode
-- unit: calls
-- source: missed_episodes.tried_at
create or replace macro tries(tried_at, first_miss_at) as len(list_filter(tried_at, lambda t: t >= first_miss_at));

-- label: Priority of a missed caller
-- formula: missed calls of the episode × hours since the first of them
-- grain: episode
-- unit: hours
-- source: missed_calls, builds.as_of
create or replace macro callback_priority(misses, first_miss_at, as_of) as misses * greatest(epoch_ms(as_of) - epoch_ms(first_miss_at), 0) / 3600000;

-- label: Repeat callers
-- formula: answered inbound calls whose caller calls again within the window, 15 minutes later at the earliest / answered inbound calls older than the window
-- grain: call
-- unit: share
-- source: calls.external_key, calls.started_at, calls.answered_by_at, setting repeat_days
create or replace macro repeat_rate(repeated, answered) as share(repeated, answered);

-- label: No repeat within the window
-- formula: answered inbound calls whose caller does not call again within the window / answered inbound calls older than the window
-- grain: call
-- unit: share
-- source: calls.external_key, calls.started_at, calls.answered_by_at, setting repeat_days
create or replace macro no_repeat_rate(repeated, answered) as share(answered - repeated, answered);

-- label: Poor voice
-- formula: the lower MOS of the two sides is below 3.5
-- grain: flow of the vendor's account (call:completed)
-- unit: truth
-- source: vendor_calls.caller_mos, vendor_calls.callee_mos
create or replace macro is_poor_voice(mos) as coalesce(mos < 3.5, false);

-- label: Answer–seizure ratio
-- formula: answered / attempts, outbound
-- grain: call, by trunk
-- unit: share
-- source: calls.outcome, calls.trunk_name
create or replace macro answer_seizure_ratio(answered, attempts) as share(answered, attempts);

-- label: Network effectiveness ratio
-- formula: (answered + busy + no answer + rejected) / attempts, outbound
-- grain: call, by trunk
-- unit: share
-- source: calls.outcome, calls.trunk_name
create or replace macro network_effectiveness_ratio(answered, busy, no_answer, rejected, attempts) as share(answered + busy + no_answer + rejected, attempts);

-- label: Peak of concurrent calls
-- formula: the most calls open at one instant; an end and a start at one instant do not overlap; calls without an end count up to their last event
-- grain: minute
-- unit: calls
-- source: concurrency_by_minute, calls.started_at, calls.ended_at
create or replace macro peak_of(open_calls) as max(open_calls);

-- Until when a call counts as open.
create or replace macro call_end(started_at, ended_at, ring_ms, talk_ms, hold_ms, other_ms) as
    coalesce(ended_at, started_at + to_milliseconds(ring_ms + talk_ms + hold_ms + other_ms));

-- label: Erlangs
-- formula: time in calls within an hour / 1 hour
-- grain: hour
-- unit: erlangs
-- source: concurrency_by_minute.busy_ms
create or replace macro erlangs(busy_ms, period_ms) as share(busy_ms, period_ms);

-- label: Anomaly
-- formula: (calls − median) / the greater of 1.4826 × the median deviation from it and √median, of the same local weekday and hour of the eight weeks before; of calls and not events: those of a call come together, and make noise look like a gap
-- grain: interval
-- unit: deviations
-- source: calls_by_quarter
create or replace macro anomaly(n, usual, deviation) as (n - usual) / nullif(greatest(1.4826 * deviation, sqrt(usual)), 0);

-- label: Alert
-- formula: an anomaly beyond 4 in either direction, within business hours
-- grain: interval
-- unit: truth
-- source: calls_by_quarter, setting business_hours
create or replace macro is_alert(z, is_open) as coalesce(abs(z) > 4 and is_open, false);

-- label: Agrees with the vendor
-- formula: ours and the vendor's own figure differ by at most 1 s
-- grain: call
-- unit: truth
-- source: reconciliation
create or replace macro agrees(ours_ms, theirs_ms) as abs(ours_ms - theirs_ms) <= 1000;

-- ---------------------------------------------------------------------------------------------------------------------
-- Time. Quarter hours of UTC: since 2000 each zone's offset is a whole number of them, half-hour and 45-minute zones too.

create or replace macro quarter_of(instant) as make_timestamptz((epoch_ms(instant) // 900000) * 900000000);
create or replace macro hour_of(instant) as make_timestamptz((epoch_ms(instant) // 3600000) * 3600000000);
create or replace macro month_of(instant) as timezone('UTC', date_trunc('month', timezone('UTC', instant)));
create or replace macro day_of(instant) as make_timestamptz((epoch_ms(instant) // 86400000) * 86400000000);

-- A wait as the roll-ups keep it: cut to whole seconds, 1 ms more where something was cut off, and 600001 beyond 600 s. So
-- `wait ≤ T` and `wait < S` hold of it exactly where they hold of the wait, for whole seconds up to 600.
create or replace macro rounded_wait(wait_ms) as
    least((wait_ms // 1000) * 1000 + case when wait_ms % 1000 > 0 then 1 else 0 end, 600001);

-- The step of time in which the histogram of the months counts a time.
create or replace macro step_of(ms) as ms // 1000 * 1000;

-- The minute of the local week, 0 on Monday 00:00; and whether it is open. open_minutes: 10080 bits, null: always.
create or replace macro minute_of_week(instant, time_zone) as (epoch_ms(timezone(time_zone, instant)) // 60000 + 4320) % 10080;
create or replace macro is_open(instant, time_zone, open_minutes, holidays) as
    open_minutes is null or (
        get_bit(open_minutes::bit, minute_of_week(instant, time_zone)::int) = 1
        and not list_contains(holidays::date[], timezone(time_zone, instant)::date)
    );

-- The start of the local interval that an instant lies in, as an instant. In the hour that comes twice a year, both are kept.
create or replace macro interval_of(instant, time_zone, grain, first_weekday) as
    case grain
        when 'quarter' then quarter_of(instant)
        when 'half_hour' then instant - to_minutes(minute(timezone(time_zone, instant)) % 30) - to_microseconds(epoch_us(instant) % 60000000)
        when 'hour' then instant - to_minutes(minute(timezone(time_zone, instant))) - to_microseconds(epoch_us(instant) % 60000000)
        else timezone(time_zone, local_interval_of(timezone(time_zone, instant), grain, first_weekday))
    end;
create or replace macro local_interval_of(local_at, grain, first_weekday) as
    case grain
        when 'day' then date_trunc('day', local_at)
        when 'week' then date_trunc('day', local_at) - to_days(((isodow(local_at) - first_weekday + 7) % 7)::int)
        when 'month' then date_trunc('month', local_at)
    end;

-- For the table of minutes: until when a call counts as open, and the hours that it touches. One longer than 31 days counts
-- for 31: a mistaken end in 2099 must not fill the table.
create or replace macro concurrent_until(started_at, ended_at, ring_ms, talk_ms, hold_ms, other_ms) as
    least(greatest(call_end(started_at, ended_at, ring_ms, talk_ms, hold_ms, other_ms), started_at), started_at + interval 744 hours);
create or replace macro hours_of(from_at, until_at) as
    case when until_at > from_at then range(hour_of(from_at), until_at, interval 1 hour) else [] end;

-- The local intervals from start to before stop, each by its start as an instant.
create or replace macro quarters(start, stop, time_zone, grain, first_weekday) as table
    select quarter_at, interval_of(quarter_at, time_zone, grain, first_weekday) as interval_at
    from (select unnest(range(quarter_of(start), stop, interval 15 minutes)) as quarter_at);
create or replace macro intervals(start, stop, time_zone, grain, first_weekday) as table
    select distinct interval_at from quarters(start, stop, time_zone, grain, first_weekday);

-- Whether a text is part of a number, or in either case of a name, or is the call's id; a whole number (part_key: its external_key) is
-- found however it is written, among numbers alone. One comparison after the other, each over one column: joined into one text first
-- they take three times as long. whole_only: where numbers are masked, a text with a digit in it must be the whole number or name, or
-- trying would tell the digits that are hidden.
create or replace macro is_found(part, whole_only, part_key, external_key, caller_phone, caller_name, callee_phone, callee_name, answered_by_name,
        destination, call_id) as
    case when whole_only then
        caller_phone = part or callee_phone = part or destination = part
        or lower(caller_name) = lower(part) or lower(callee_name) = lower(part) or lower(answered_by_name) = lower(part)
    else
        contains(caller_phone, part) or contains(callee_phone, part) or contains(destination, part)
        or part_key is null and (
            contains(lower(caller_name), lower(part)) or contains(lower(callee_name), lower(part)) or contains(lower(answered_by_name), lower(part)))
    end or external_key = part_key or call_id = part;

-- The same of a row of searched_calls, where no digits are hidden. Texts of a call lie there one after the other, with separators between
-- them: a text to find that has a separator in it could lie across two, and is looked for in the calls themselves.
create or replace macro separator() as chr(31);
create or replace macro is_hit(part, part_key, external_phone, external_number, external_name, other_phones, other_names, call_id) as
    contains(external_phone, part) or contains(other_phones, part)
    or part_key is null and (contains(external_name, lower(part)) or contains(other_names, lower(part)))
    or external_number = part_key::bigint or call_id = part;

-- What lists are sorted by.
create or replace macro sort_key(name, started_at, wait_ms, talk_ms, hold_ms, duration_ms) as
    case name when 'wait_ms' then wait_ms when 'talk_ms' then talk_ms when 'hold_ms' then hold_ms when 'duration_ms' then duration_ms
        else epoch_ms(started_at) end;

-- ---------------------------------------------------------------------------------------------------------------------
-- Queue visits

-- label: Offered visits
-- formula: visits that are over: answered, left by the caller, gone on to another queue, or ended otherwise
-- grain: visit
-- unit: visits
-- source: queue_visits.result
create or replace macro is_visit_offered(result) as result <> 'open';

-- label: Overflow
-- formula: visits that went on to another queue before a person answered; there they are offered again
-- grain: visit
-- unit: visits
-- source: queue_visits.result, queue_visits.next_queue
create or replace macro is_visit_overflowed(result) as result = 'overflowed';

-- label: Answered within T
-- formula: answered visits with a wait of at most T
-- grain: visit
-- unit: visits
-- source: queue_visits.result, queue_visits.wait_ms, setting service_level_s
create or replace macro is_visit_in_time(result, wait_ms, within_ms) as result = 'answered' and wait_ms <= within_ms;

-- label: Abandoned within T
-- formula: visits that the caller left after a wait of at most T
-- grain: visit
-- unit: visits
-- source: queue_visits.result, queue_visits.wait_ms, setting service_level_s
create or replace macro is_visit_left_in_time(result, wait_ms, within_ms) as result = 'caller_left' and wait_ms <= within_ms;

-- label: Abandoned visits
-- formula: visits that the caller left after a wait of at least S
-- grain: visit
-- unit: visits
-- source: queue_visits.result, queue_visits.wait_ms, setting short_abandon_s
create or replace macro is_visit_abandoned(result, wait_ms, short_ms) as result = 'caller_left' and wait_ms >= short_ms;

-- label: Short abandons of visits
-- formula: visits that the caller left after a wait of less than S: a count, in no rate
-- grain: visit
-- unit: visits
-- source: queue_visits.result, queue_visits.wait_ms, setting short_abandon_s
create or replace macro is_visit_short(result, wait_ms, short_ms) as result = 'caller_left' and wait_ms < short_ms;

-- The predicate behind a figure that opens a list of visits; null means every visit.
create or replace macro is_visit_figure(figure, result, wait_ms, within_ms, short_ms) as
    case figure
        when 'offered' then is_visit_offered(result)
        when 'answered' then result = 'answered'
        when 'in_time' then is_visit_in_time(result, wait_ms, within_ms)
        when 'left_in_time' then is_visit_left_in_time(result, wait_ms, within_ms)
        when 'abandoned' then is_visit_abandoned(result, wait_ms, short_ms)
        when 'short_abandoned' then is_visit_short(result, wait_ms, short_ms)
        when 'overflowed' then is_visit_overflowed(result)
        when 'unanswered' then result = 'unanswered'
        when 'open' then result = 'open'
        when 'caller_left' then result = 'caller_left'
        else figure is null
    end;

-- Whether a visit belongs to a part of a report: that went on to a queue, of a step of 5 s of wait, the last one 600 s and more, or
-- of a half hour of the local day, as 08:30.
create or replace macro is_visit_part(part_of, part, next_queue, wait_ms, entered_at, time_zone) as
    part_of is null or coalesce(case part_of
        when 'next_queue' then next_queue = part
        when 'wait' then least(wait_ms // 5000 * 5, 600) = try_cast(part as integer)
        when 'half_hour' then printf('%02d:%02d', minute_of_week(entered_at, time_zone) % 1440 // 60, minute_of_week(entered_at, time_zone) % 60 // 30 * 30) = part
    end, false);

-- Where an outside number belongs to, roughly: its first five signs, spaces apart.
create or replace macro prefix_of(external_phone) as left(replace(coalesce(external_phone, ''), ' ', ''), 5);

-- Whether a missed call counts as one that somebody waits for an answer to: short abandons only where asked for.
create or replace macro counts_as_miss(abandoned, wait_ms, short_ms, include_short) as
    include_short or not coalesce(abandoned and wait_ms < short_ms, false);
create or replace macro is_known_side(ended_by) as coalesce(ended_by in ('caller', 'callee', 'system'), false);
-- Whether a call belongs to a part of a report: a row of it, or one of its columns. part_of says what the report groups by; without
-- it every call does. A queue and a status are chosen by calls_of_part() already. 'flaw' is what the report quality counts; an hour is one of the local week, from Monday 00:00 = 0;
-- of an instant are the calls that were open then, as the peak counts them: until concurrent_until().
create or replace macro is_part(part_of, part, company, direction, trunk_name, answered_by_department, end_cause_name, external_phone,
        caller_extension, caller_user_id, has_start, outcome, ended_by, end_cause_category, late_events, started_at, open_until, time_zone) as
    part_of is null or coalesce(case part_of
        when 'company' then company = part
        when 'direction' then direction = part
        when 'trunk' then coalesce(trunk_name, '') = part
        when 'queue' then true
        when 'status' then true
        when 'department' then answered_by_department = part
        when 'cause' then end_cause_name = part
        when 'prefix' then prefix_of(external_phone) = part
        when 'caller' then agent_of(company, caller_extension, caller_user_id) = part
        when 'hour' then minute_of_week(started_at, time_zone) // 60 = try_cast(part as integer)
        when 'instant' then started_at <= try_cast(part as timestamptz) and open_until > try_cast(part as timestamptz)
        when 'flaw' then case part
            when 'without_start' then not has_start
            when 'late_events' then late_events > 0
            when 'unknown_cause' then has_ended(outcome) and end_cause_category = 'unknown'
            when 'unknown_side' then has_ended(outcome) and not is_known_side(ended_by) end
    end, false);
-- missed_reason() of a row of missed_calls.
create or replace macro reason_of(m, time_zone, open_minutes, holidays, short_ms) as
    missed_reason(is_open(m.started_at, time_zone, open_minutes, holidays), m.abandoned, m.wait_ms, m.outcome, m.users_rung, m.users_unanswered, m.visits, short_ms);
