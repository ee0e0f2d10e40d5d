-- question: How many calls are in the list, and how long did they talk?
-- grain: one row, of the list of calls
-- result:
--   calls BIGINT [calls] Calls in the list
--   talk_ms BIGINT [ms] Talk of those that have ended
--   hold_ms BIGINT [ms] Hold of those that have ended
--   first_at TIMESTAMPTZ [UTC] Start of the first
--   last_at TIMESTAMPTZ [UTC] Start of the last
--   instants TIMESTAMPTZ[] [UTC] Of a search that finds a few calls only: their starts, by which their list is found at once
select count(*) as calls, coalesce(sum(talk_ms) filter (has_end), 0) as talk_ms, coalesce(sum(hold_ms) filter (has_end), 0) as hold_ms,
    min(started_at) as first_at, max(started_at) as last_at,
    case when count(*) between 1 and $few then min(started_at, $few) filter ($text is not null) end as instants
from listed_calls($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone,
    $part_of, $part)
where is_figure($figure, direction, has_end, answered_at, answered_by_at, abandoned, wait_ms, talk_ms, outcome, flags, $short_ms)
  and ($outcomes is null or list_contains($outcomes::varchar[], outcome))
  and ($causes is null or list_contains($causes::varchar[], coalesce(end_cause, '')))
  and ($categories is null or list_contains($categories::varchar[], coalesce(end_cause_category, '')))
  and ($ended_by is null or list_contains($ended_by::varchar[], coalesce(ended_by, '')))
  and ($number is null or external_key = $number)
  and is_part($part_of, $part, company, direction, trunk_name, answered_by_department, end_cause_name, external_phone, caller_extension,
      caller_user_id, has_start, outcome, ended_by, end_cause_category, late_events, started_at,
      concurrent_until(started_at, ended_at, ring_ms, talk_ms, hold_ms, other_ms), $time_zone)
  and ($text is null or is_found($text, $whole_only, $text_key, external_key, caller_phone, caller_name, callee_phone, callee_name, answered_by_name, destination, call_id))
