-- question: What is kept but unusable, and why?
-- grain: source, transport and reason
-- key: source, transport, reason
-- result:
--   source VARCHAR The configured source
--   transport VARCHAR [code] webhook, sqs or load
--   reason VARCHAR [code] The reason
--   deliveries BIGINT [deliveries] Deliveries
--   last_at TIMESTAMPTZ [UTC] The last
--   last_id VARCHAR Its id, for ingest quarantine show
--   detail VARCHAR Its particulars
select source, transport, reason, count(*) as deliveries, max(received_at) as last_at,
    arg_max(writer || '-' || seq, received_at) as last_id, arg_max(detail, received_at) as detail
from quarantine
group by all
order by deliveries desc, source, transport, reason
