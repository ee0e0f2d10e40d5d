-- question: At what time of the day is the target missed?
-- grain: half hour of the local day, over all days of the period
-- key: minute_of_day
-- metrics: service_level_in_force, is_visit_offered, is_visit_in_time, is_visit_abandoned, is_visit_short, is_visit_overflowed, answer_rate, abandonment_rate, service_level, service_level_abandons_negative, service_level_abandons_ignored, service_level_abandons_positive, service_level_of_answered_only, service_level_overflow_ignored, average_speed_of_answer, average_wait, time_to_abandon
-- result:
--   minute_of_day BIGINT [min] Start of the half hour, in minutes of the local day
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
with by_quarter as (from queue_quarters($visits_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone, $of_calls, $queue_settings, $within_ms, $short_ms, $formula, $most_ms)),
placed as (
    select (minute_of_week(quarter_at, $time_zone) % 1440) // 30 * 30 as key, formula_in_force as formula, coalesce(visits, 0) as visits, coalesce(offered, 0) as offered, coalesce(answered, 0) as answered, coalesce(in_time, 0) as in_time, coalesce(left_in_time, 0) as left_in_time, coalesce(abandoned, 0) as abandoned, coalesce(short_abandoned, 0) as short_abandoned, coalesce(overflowed, 0) as overflowed, coalesce(unanswered, 0) as unanswered, coalesce(open, 0) as open, answered_wait_ms, offered_wait_ms, abandoned_wait_ms from by_quarter),
total as (
    select key, coalesce(sum(visits), 0) as visits, coalesce(sum(offered), 0) as offered, coalesce(sum(answered), 0) as answered, coalesce(sum(in_time), 0) as in_time, coalesce(sum(left_in_time), 0) as left_in_time, coalesce(sum(abandoned), 0) as abandoned, coalesce(sum(short_abandoned), 0) as short_abandoned, coalesce(sum(overflowed), 0) as overflowed, coalesce(sum(unanswered), 0) as unanswered, coalesce(sum(open), 0) as open,
        sum(answered_wait_ms) as answered_wait_ms, sum(offered_wait_ms) as offered_wait_ms, sum(abandoned_wait_ms) as abandoned_wait_ms,
        sum(service_level_numerator(formula, in_time, left_in_time)) as numerator,
        sum(service_level_denominator(formula, offered, answered, short_abandoned, left_in_time, overflowed)) as denominator
    from placed group by key)
select key as minute_of_day, visits, offered, answered, in_time, left_in_time, abandoned, short_abandoned, overflowed, unanswered, open,
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
order by minute_of_day
