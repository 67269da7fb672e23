-- Everything is in the schema "crossgrant", which is first in the search path.
-- Times are whole microseconds since 1970, rounded so that nothing happens early: due and lease times up.
-- A uid is a UUIDv7, so that rows of one time lie together and "newest first" is the order of the uid.
-- Texts that come from outside and may hold any byte (PostgreSQL takes no NUL in a text) are bytea or inside of JSON.
-- No foreign keys: a part is written and deleted in the transaction that knows the whole.

-- One row a job. `record` is the whole truth; every other column is taken from it, or belongs to the line or the lease.
-- Room is left in the pages: most changes of a job in work touch no index and then stay in their page.
CREATE TABLE jobs (
    uid             uuid PRIMARY KEY,
    requester       text NOT NULL,
    job_id          text NOT NULL,
    kind            text NOT NULL,
    state           text NOT NULL,
    ended           boolean NOT NULL,
    instance_id     text NOT NULL COLLATE "C",
    instance_type   text NOT NULL,
    cen_id          text NOT NULL,
    cen_owner       text NOT NULL,
    accepted_us     bigint NOT NULL,
    finished_us     bigint,
    due_us          bigint,
    swept           boolean NOT NULL,
    record          text NOT NULL,
    revision        bigint NOT NULL,
    turn            bigint,             -- place in the line of the instance; NULL when not in it
    is_first        boolean NOT NULL,   -- not in the line, or the lowest turn of it
    lease_holder    text,
    lease_token     bigint NOT NULL DEFAULT 0,
    lease_until_us  bigint NOT NULL DEFAULT 0   -- by the clock of the database
) WITH (fillfactor = 80);

-- What can be claimed, by due time. Jobs that are blocked, swept or at rest are not in it, so they cost a claim nothing.
CREATE INDEX jobs_ready ON jobs (due_us, uid) WHERE is_first AND NOT swept AND due_us IS NOT NULL;
CREATE INDEX jobs_leased ON jobs (lease_holder) WHERE lease_holder IS NOT NULL;
CREATE INDEX jobs_line ON jobs (instance_id, turn) WHERE turn IS NOT NULL;
CREATE INDEX jobs_swept ON jobs (cen_owner, cen_id, instance_type, instance_id, uid, due_us) WHERE swept;
CREATE INDEX jobs_swept_due ON jobs (due_us) WHERE swept AND due_us IS NOT NULL;
CREATE INDEX jobs_waiting ON jobs (instance_id, cen_id, accepted_us) WHERE state = 'waiting';
CREATE INDEX jobs_state ON jobs (state, uid);
CREATE INDEX jobs_instance ON jobs (instance_id, uid);
CREATE INDEX jobs_cen ON jobs (cen_id, uid);
CREATE INDEX jobs_requester ON jobs (requester, uid);

CREATE TABLE labels (
    name   bytea NOT NULL,
    value  bytea NOT NULL,
    uid    uuid NOT NULL,
    PRIMARY KEY (name, value, uid)
);
CREATE INDEX labels_uid ON labels (uid);

-- Idempotency keys.
CREATE TABLE keys (
    requester   text NOT NULL,
    job_id      text NOT NULL,
    uid         uuid NOT NULL,
    digest      text NOT NULL,
    created_us  bigint NOT NULL,
    PRIMARY KEY (requester, job_id)
);
CREATE INDEX keys_uid ON keys (uid);
CREATE INDEX keys_created ON keys (created_us);

-- Who gets the terminal event of a job besides the events exchange: the address, as JSON.
CREATE TABLE followers (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid      uuid NOT NULL,
    address  text NOT NULL
);
CREATE INDEX followers_uid ON followers (uid);

CREATE TABLE rejections (
    uid        uuid PRIMARY KEY,
    at_us      bigint NOT NULL,
    requester  text NOT NULL,
    job_id     bytea,
    reasons    text NOT NULL
);
CREATE INDEX rejections_at ON rejections (at_us, uid);

-- What was said, of jobs and of rejections. `address` is where it went first: exchange, routing key and correlation id;
-- `about` is message id, content type and headers; both JSON.
CREATE TABLE events (
    uid       uuid NOT NULL,
    sequence  integer NOT NULL,
    address   text NOT NULL,
    about     text NOT NULL,
    body      bytea NOT NULL,
    PRIMARY KEY (uid, sequence)
);

-- What is still to be published. A row with a sequence takes its content from that event; the others bring their own.
-- A number is never used twice.
CREATE TABLE outbox (
    number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid       uuid NOT NULL,
    sequence  integer,
    address   text NOT NULL,
    about     text,
    body      bytea
);
CREATE INDEX outbox_uid ON outbox (uid);

CREATE VIEW mail AS
SELECT o.number, o.uid, o.address, coalesce(e.about, o.about) AS about, coalesce(e.body, o.body) AS body
FROM outbox o LEFT JOIN events e ON e.uid = o.uid AND e.sequence = o.sequence;

-- Undeliverable messages, kept whole under the number they had.
CREATE TABLE undeliverable (
    number   bigint PRIMARY KEY,
    uid      uuid NOT NULL,
    address  text NOT NULL,
    about    text NOT NULL,
    body     bytea NOT NULL
);
CREATE INDEX undeliverable_uid ON undeliverable (uid);

CREATE TABLE definitions (
    digest  text PRIMARY KEY,
    name    text NOT NULL,
    text    text NOT NULL
);

-- Jobs by kind and state, counted as they change: metrics are read often, and a million rows are not counted for free.
-- The counts are the sums over the shards; a worker writes to one of them, so that workers do not wait for each other.
CREATE TABLE census (
    shard  smallint NOT NULL,
    kind   text NOT NULL,
    state  text NOT NULL,
    jobs   bigint NOT NULL,
    PRIMARY KEY (shard, kind, state)
) WITH (fillfactor = 50);

CREATE TABLE probe (
    shard   smallint PRIMARY KEY,
    writes  bigint NOT NULL
) WITH (fillfactor = 50);
