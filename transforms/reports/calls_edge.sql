-- question: How far from the beginning of the list of calls does a page of it reach?
-- grain: one row, of the list of calls in order of started_at
-- result:
--   edge_at TIMESTAMPTZ [UTC] Start of the page's last call
--   instants TIMESTAMPTZ[] [UTC] Starts of the page's calls and those before it; null where they are more than a few
select case when $descending then min(started_at) else max(started_at) end as edge_at,
    case when count(*) <= $few then list(distinct started_at) end as instants
from (
    select started_at
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
    order by case when $descending then -epoch_us(started_at) else epoch_us(started_at) end
    limit $limit + $offset)
