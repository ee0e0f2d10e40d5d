-- question: How many offers are in the list?
-- grain: one row, of the list of offers
-- result:
--   offers BIGINT [offers] Offers in the list
--   calls BIGINT [calls] Calls that they belong to
select count(*) as offers, count(distinct (company, call_id)) as calls
from selected_offers($start, $stop, $companies, $pbxs, $directions, $queues, $agents, $trunks, $departments, $open_minutes, $holidays, $time_zone)
where case $figure when 'offers' then result <> 'open' when 'transferred' then transferred else $figure is null or result = $figure end
