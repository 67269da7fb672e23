-- Queues that refuse. `tries` counts how often in a row a message was refused. `due_us` is when it is tried again; NULL is
-- at once. Of the replies to one queue only the first is tried again; those behind it have the highest number there is, and
-- get 0 when it has left.
ALTER TABLE outbox ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN due_us INTEGER;
-- The lanes: what goes to the default exchange, and the rest.
CREATE INDEX outbox_fresh ON outbox ((exchange = ''), number) WHERE due_us IS NULL;
CREATE INDEX outbox_due ON outbox ((exchange = ''), due_us) WHERE due_us IS NOT NULL;
CREATE INDEX outbox_queue ON outbox (routing_key, due_us) WHERE exchange = '';

ALTER TABLE undeliverable ADD COLUMN reason TEXT NOT NULL DEFAULT 'no queue takes it';
ALTER TABLE undeliverable ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
