-- question: How do all queues together do?
-- grain: one row, of visits that began in the period; from the counts of the queues, each with its own thresholds and formula
-- metrics: service_level_in_force, is_visit_offered, is_visit_in_time, is_visit_abandoned, is_visit_short, is_visit_overflowed, answer_rate, abandonment_rate, service_level, service_level_abandons_negative, service_level_abandons_ignored, service_level_abandons_positive, service_level_of_answered_only, service_level_overflow_ignored, average_speed_of_answer, average_wait, time_to_abandon
-- result:
--   visits BIGINT [visits] All visits
--   offered BIGINT [visits] Visits that are over
--   answered BIGINT [visits] Answered by a person
--   in_time BIGINT [visits] Answered within T
--   left_in_time BIGINT [visits] Left by the caller within T
--   abandoned BIGINT [visits] Left by the caller after S
--   short_abandoned BIGINT [visits] Left by the caller before S
--   overflowed BIGINT [visits] Went on to another queue
--   unanswered BIGINT [visits] Ended otherwise
--   open BIGINT [visits] Not over yet
--   answer_rate DOUBLE [share] answered / (offered − short)
--   abandonment_rate DOUBLE [share] abandoned / (offered − short)
--   sl_default DOUBLE [share] in time / (offered − short)
--   sl_abandons_negative DOUBLE [share] in time / offered
--   sl_abandons_ignored DOUBLE [share] in time / (offered − left in time)
--   sl_abandons_positive DOUBLE [share] (in time + left in time) / offered
--   sl_of_answered_only DOUBLE [share] in time / answered
--   sl_overflow_ignored DOUBLE [share] in time / (offered − short − overflowed)
--   service_level DOUBLE [share] By the formula in force
--   asa_ms DOUBLE [ms] Average wait of answered visits
--   average_wait_ms DOUBLE [ms] Average wait of all that are over
--   time_to_abandon_ms DOUBLE [ms] Average wait of abandoned visits
with settings as (
    select unnest($queue_settings::struct(queue_name varchar, within_ms bigint, short_ms bigint, goal double, formula varchar)[], recursive := true)),
units as (
    select queue_name, result, waited_ms, sum(visits) as visits, sum(wait_ms) as wait_ms
    from counted_waits($visits_rolled, $month_from, $month_until, $month_rows_from, $month_rows_until, $month_but_from, $month_but_until, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone, $of_calls)
    group by all),
judged as (
    select units.*, coalesce(s.within_ms, $within_ms) as within_ms, coalesce(s.short_ms, $short_ms) as short_ms,
        coalesce(s.goal, $goal) as goal, coalesce(s.formula, $formula) as formula
    from units left join settings s using (queue_name)),
counted as (
    select queue_name, any_value(within_ms) as within_ms, any_value(short_ms) as short_ms, any_value(goal) as goal, any_value(formula) as formula,
        sum(visits) as visits,
        sum(visits) filter (result <> 'open') as offered,
        sum(visits) filter (result = 'answered') as answered,
        sum(visits) filter (is_visit_in_time(result, waited_ms, within_ms)) as in_time,
        sum(visits) filter (is_visit_left_in_time(result, waited_ms, within_ms)) as left_in_time,
        sum(visits) filter (is_visit_abandoned(result, waited_ms, short_ms)) as abandoned,
        sum(visits) filter (is_visit_short(result, waited_ms, short_ms)) as short_abandoned,
        sum(visits) filter (result = 'overflowed') as overflowed,
        sum(visits) filter (result = 'unanswered') as unanswered,
        sum(visits) filter (result = 'open') as open,
        sum(wait_ms) filter (result = 'answered') as answered_wait_ms,
        sum(wait_ms) filter (result <> 'open') as offered_wait_ms,
        sum(wait_ms) filter (is_visit_abandoned(result, waited_ms, short_ms)) as abandoned_wait_ms
    from judged group by queue_name),
summed as (
    select queue_name, within_ms, short_ms, goal, formula, coalesce(visits, 0) as visits, coalesce(offered, 0) as offered, coalesce(answered, 0) as answered, coalesce(in_time, 0) as in_time, coalesce(left_in_time, 0) as left_in_time, coalesce(abandoned, 0) as abandoned, coalesce(short_abandoned, 0) as short_abandoned, coalesce(overflowed, 0) as overflowed, coalesce(unanswered, 0) as unanswered, coalesce(open, 0) as open, answered_wait_ms, offered_wait_ms, abandoned_wait_ms from counted),
total as (
    select coalesce(sum(visits), 0) as visits, coalesce(sum(offered), 0) as offered, coalesce(sum(answered), 0) as answered, coalesce(sum(in_time), 0) as in_time, coalesce(sum(left_in_time), 0) as left_in_time, coalesce(sum(abandoned), 0) as abandoned, coalesce(sum(short_abandoned), 0) as short_abandoned, coalesce(sum(overflowed), 0) as overflowed, coalesce(sum(unanswered), 0) as unanswered, coalesce(sum(open), 0) as open,
        sum(answered_wait_ms) as answered_wait_ms, sum(offered_wait_ms) as offered_wait_ms, sum(abandoned_wait_ms) as abandoned_wait_ms,
        sum(service_level_numerator(formula, in_time, left_in_time)) as numerator,
        sum(service_level_denominator(formula, offered, answered, short_abandoned, left_in_time, overflowed)) as denominator
    from summed)
select visits, offered, answered, in_time, left_in_time, abandoned, short_abandoned, overflowed, unanswered, open,
    answer_rate(answered, offered, short_abandoned) as answer_rate,
    abandonment_rate(abandoned, offered, short_abandoned) as abandonment_rate,
    service_level(in_time, offered, short_abandoned) as sl_default,
    service_level_abandons_negative(in_time, offered) as sl_abandons_negative,
    service_level_abandons_ignored(in_time, offered, left_in_time) as sl_abandons_ignored,
    service_level_abandons_positive(in_time, offered, left_in_time) as sl_abandons_positive,
    service_level_of_answered_only(in_time, answered) as sl_of_answered_only,
    service_level_overflow_ignored(in_time, offered, short_abandoned, overflowed) as sl_overflow_ignored,
    service_level_in_force(numerator, denominator) as service_level,
    average_speed_of_answer(answered_wait_ms, answered) as asa_ms, average_wait(offered_wait_ms, offered) as average_wait_ms,
    time_to_abandon(abandoned_wait_ms, abandoned) as time_to_abandon_ms
from total
