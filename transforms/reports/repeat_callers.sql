-- question: Whose caller had to call again?
-- grain: one row; answered inbound calls that started in the period and are older than the window
-- metrics: repeat_rate, no_repeat_rate, is_answered
-- result:
--   answered BIGINT [calls] Answered inbound calls with a number, older than the window
--   repeated BIGINT [calls] Of these, the caller called again within the window, 15 minutes later at the earliest
--   repeat_rate DOUBLE [share] repeated / answered
--   no_repeat_rate DOUBLE [share] (answered − repeated) / answered
--   censored BIGINT [calls] Answered calls younger than the window, in neither
with clock as (select max(as_of) as as_of from builds),
asked as (
    select started_at + to_hours(24 * $repeat_days) as until_at, again_at
    from answered_callers
    where not $of_calls_or_queues and ($start is null or started_at >= $start) and ($stop is null or started_at < $stop)
      and ($companies is null or list_contains($companies::varchar[], company)) and is_open(started_at, $time_zone, $open_minutes, $holidays)
    union all
    select started_at + to_hours(24 * $repeat_days), again_at
    from answered_callers semi join selected_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone) using (started_at, company, call_id)
    where $of_calls_or_queues and ($start is null or started_at >= $start) and ($stop is null or started_at < $stop))
select count(*) filter (until_at <= as_of) as answered, count(*) filter (until_at <= as_of and again_at <= until_at) as repeated,
    repeat_rate(repeated, answered) as repeat_rate, no_repeat_rate(repeated, answered) as no_repeat_rate, count(*) filter (until_at > as_of) as censored
from asked, clock
