-- question: How many offers are in the list?
-- grain: one row, of the list of offers
-- result:
--   offers BIGINT [offers] Offers in the list
select coalesce(sum(case $figure when 'offers' then answered + caller_left + taken + lost when 'transferred' then transferred when 'answered' then answered
        when 'caller_left' then caller_left when 'taken' then taken when 'lost' then lost when 'open' then open
        else case when $figure is null then answered + caller_left + taken + lost + open else 0 end end), 0)::bigint as offers
from counted_offers($whole_from, $whole_until, $rows_from, $rows_until, $but_from, $but_until, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
