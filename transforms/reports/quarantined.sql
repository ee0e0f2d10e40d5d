-- question: Which deliveries are in quarantine?
-- grain: delivery that is kept but unusable
-- key: id
-- result:
--   id VARCHAR Its id, for ingest quarantine show
--   received_at TIMESTAMPTZ [UTC] When it came
--   source VARCHAR The configured source
--   transport VARCHAR [code] webhook, sqs or load
--   reason VARCHAR [code] Why it is unusable
--   detail VARCHAR The particulars
select writer || '-' || seq as id, received_at, source, transport, reason, detail
from quarantine
where $part_of is null or ($part_of = 'quarantine' and concat_ws(' ', source, transport, reason) = $part)
order by received_at desc, id
limit $limit offset $offset
