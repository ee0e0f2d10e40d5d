-- question: How many calls are in the list, and how long did they talk?
-- grain: one row, of the list of calls
-- result:
--   calls BIGINT [calls] Calls in the list
--   talk_ms BIGINT [ms] Talk of those that have ended
--   hold_ms BIGINT [ms] Hold of those that have ended
--   first_at TIMESTAMPTZ [UTC] Start of the first
--   last_at TIMESTAMPTZ [UTC] Start of the last
--   instants TIMESTAMPTZ[] [UTC] Of a search that finds a few calls only: their starts, by which their list is found at once
select count(*) as calls, coalesce(sum(talk_ms), 0) as talk_ms, coalesce(sum(hold_ms), 0) as hold_ms,
    min(started_at) as first_at, max(started_at) as last_at,
    case when count(*) between 1 and $few then min(started_at, $few) filter ($text is not null) end as instants
from counted_hits($hits_rolled, $start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone,
    $part_of, $part, $figure, $short_ms, $outcomes, $causes, $categories, $ended_by, $number, $instants, $text, $whole_only, $text_key)
