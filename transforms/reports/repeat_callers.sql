-- question: Whose caller had to call again?
-- grain: one row; answered inbound calls that started in the period and are older than the window
-- metrics: repeat_rate, is_answered
-- result:
--   answered BIGINT [calls] Answered inbound calls with a number, older than the window
--   repeated BIGINT [calls] Of these, the caller called again within the window, 15 minutes later at the earliest
--   repeat_rate DOUBLE [share] repeated / answered
--   censored BIGINT [calls] Answered calls younger than the window, in neither
with clock as (select max(as_of) as as_of from builds),
answered as (
    select company, external_key, started_at, started_at + to_minutes(15) as due_at, started_at + to_hours(24 * $repeat_days) as until_at
    from selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
    where direction = 'inbound' and is_answered(direction, has_end, answered_at, answered_by_at) and external_key is not null),
again as (select company, external_key, started_at as again_at from calls where direction = 'inbound' and external_key is not null
          and ($start is null or started_at >= $start) and ($stop is null or started_at < $stop::timestamptz + to_hours(24 * $repeat_days)))
select count(*) filter (until_at <= as_of) as answered, count(*) filter (until_at <= as_of and again_at <= until_at) as repeated,
    repeat_rate(repeated, answered) as repeat_rate, count(*) filter (until_at > as_of) as censored
from answered a asof left join again b on a.company = b.company and a.external_key = b.external_key and a.due_at <= b.again_at, clock
