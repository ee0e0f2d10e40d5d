-- question: On which weekdays and at which hours do calls come?
-- grain: local weekday and hour of started_at; hours without calls are there too
-- key: weekday, hour
-- metrics: calls_an_hour, is_offered, is_answered
-- result:
--   weekday BIGINT ISO weekday, 1 Monday
--   hour BIGINT Hour of the local day
--   hours BIGINT [count] Such hours in the period; of days on which the clock is changed those that there were
--   calls BIGINT [calls] All calls
--   offered BIGINT [calls] Inbound calls that have ended
--   answered BIGINT [calls] Answered by a person
--   calls_an_hour DOUBLE [calls] calls / hours
--   offered_an_hour DOUBLE [calls] offered / hours
with counted as (
    select quarter_at, sum(calls) as calls, sum(ended) filter (direction = 'inbound') as offered, sum(answered) filter (direction = 'inbound') as answered
    from counted_calls($calls_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    group by all)
select
    isodow(local_at) as weekday, hour(local_at) as hour, count(distinct interval_at) as hours,
    coalesce(sum(calls), 0) as calls, coalesce(sum(offered), 0) as offered, coalesce(sum(answered), 0) as answered,
    calls_an_hour(coalesce(sum(calls), 0), hours) as calls_an_hour, calls_an_hour(coalesce(sum(offered), 0), hours) as offered_an_hour
from (
    select quarter_at, interval_of(quarter_at, $time_zone, 'hour', 1) as interval_at, timezone($time_zone, quarter_at) as local_at
    from (select unnest(range(quarter_of(coalesce($start, (select min(quarter_at) from counted))), coalesce($stop, (select max(quarter_at) + interval 15 minutes from counted)), interval 15 minutes)) as quarter_at))
left join counted using (quarter_at)
group by weekday, hour
order by weekday, hour
