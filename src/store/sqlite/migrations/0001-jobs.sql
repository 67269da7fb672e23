-- Times are whole microseconds since 1970, rounded so that nothing happens early: due and lease times up.
-- A uid is a UUIDv7 in 16 bytes, so that rows of one time lie together and "newest first" is the order of the uid.

-- One row a job. `record` is the whole truth; every other column is taken from it, or belongs to the line or the lease.
CREATE TABLE jobs (
    uid             BLOB PRIMARY KEY NOT NULL,
    requester       TEXT NOT NULL,
    job_id          TEXT NOT NULL,
    kind            TEXT NOT NULL,
    state           TEXT NOT NULL,
    ended           INTEGER NOT NULL,
    instance_id     TEXT NOT NULL,
    instance_type   TEXT NOT NULL,
    cen_id          TEXT NOT NULL,
    cen_owner       TEXT NOT NULL,
    accepted_us     INTEGER NOT NULL,
    finished_us     INTEGER,
    due_us          INTEGER,
    swept           INTEGER NOT NULL,
    record          TEXT NOT NULL,
    revision        INTEGER NOT NULL,
    turn            INTEGER,             -- place in the line of the instance; NULL when not in it
    is_first        INTEGER NOT NULL,    -- not in the line, or the lowest turn of it
    lease_holder    TEXT,
    lease_token     INTEGER NOT NULL DEFAULT 0,
    lease_until_us  INTEGER NOT NULL DEFAULT 0
);

-- What can be claimed, by due time. Jobs that are blocked, swept or at rest are not in it, so they cost a claim nothing.
CREATE INDEX jobs_ready ON jobs (due_us, uid) WHERE is_first = 1 AND swept = 0 AND due_us IS NOT NULL;
CREATE INDEX jobs_leased ON jobs (lease_holder) WHERE lease_holder IS NOT NULL;
CREATE INDEX jobs_line ON jobs (instance_id, turn) WHERE turn IS NOT NULL;
-- Holds everything the grouping and the paging of the sweep read, so that only the rows of one page are opened.
CREATE INDEX jobs_swept ON jobs (cen_owner, cen_id, instance_type, instance_id, uid, due_us, swept) WHERE swept = 1;
CREATE INDEX jobs_swept_due ON jobs (due_us) WHERE swept = 1 AND due_us IS NOT NULL;
CREATE INDEX jobs_waiting ON jobs (instance_id, cen_id, accepted_us) WHERE state = 'waiting';
CREATE INDEX jobs_state ON jobs (state, uid);
CREATE INDEX jobs_instance ON jobs (instance_id, uid);
CREATE INDEX jobs_cen ON jobs (cen_id, uid);
CREATE INDEX jobs_requester ON jobs (requester, uid);

CREATE TABLE labels (
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    uid    BLOB NOT NULL REFERENCES jobs (uid) ON DELETE CASCADE,
    PRIMARY KEY (name, value, uid)
) WITHOUT ROWID;
CREATE INDEX labels_uid ON labels (uid);

-- Idempotency keys.
CREATE TABLE keys (
    requester   TEXT NOT NULL,
    job_id      TEXT NOT NULL,
    uid         BLOB NOT NULL REFERENCES jobs (uid),
    digest      TEXT NOT NULL,
    created_us  INTEGER NOT NULL,
    PRIMARY KEY (requester, job_id)
) WITHOUT ROWID;
CREATE INDEX keys_uid ON keys (uid);
CREATE INDEX keys_created ON keys (created_us);

-- Who gets the terminal event of a job besides the events exchange.
CREATE TABLE followers (
    uid             BLOB NOT NULL REFERENCES jobs (uid) ON DELETE CASCADE,
    reply_to        TEXT NOT NULL,
    correlation_id  TEXT
);
CREATE INDEX followers_uid ON followers (uid);

CREATE TABLE rejections (
    uid        BLOB PRIMARY KEY NOT NULL,
    at_us      INTEGER NOT NULL,
    requester  TEXT NOT NULL,
    job_id     TEXT,
    reasons    TEXT NOT NULL
);
CREATE INDEX rejections_at ON rejections (at_us);

-- What was said, of jobs and of rejections, and where it went first.
CREATE TABLE events (
    uid             BLOB NOT NULL,
    sequence        INTEGER NOT NULL,
    message_id      TEXT NOT NULL,
    exchange        TEXT NOT NULL,
    routing_key     TEXT NOT NULL,
    correlation_id  TEXT,
    content_type    TEXT NOT NULL,
    headers         TEXT NOT NULL,
    body            BLOB NOT NULL,
    PRIMARY KEY (uid, sequence)
);

-- What is still to be published. A row with a sequence takes its content from that event; the others bring their own.
-- AUTOINCREMENT: a number is never used twice, so a reader may go on after the last number it saw.
CREATE TABLE outbox (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    uid             BLOB NOT NULL,
    sequence        INTEGER,
    exchange        TEXT NOT NULL,
    routing_key     TEXT NOT NULL,
    correlation_id  TEXT,
    message_id      TEXT,
    content_type    TEXT,
    headers         TEXT,
    body            BLOB
);
CREATE INDEX outbox_uid ON outbox (uid);

CREATE VIEW mail AS
SELECT o.number, o.uid, o.exchange, o.routing_key, o.correlation_id,
       coalesce(e.message_id, o.message_id) AS message_id,
       coalesce(e.content_type, o.content_type) AS content_type,
       coalesce(e.headers, o.headers) AS headers,
       coalesce(e.body, o.body) AS body
FROM outbox o LEFT JOIN events e ON e.uid = o.uid AND e.sequence = o.sequence;

-- Undeliverable messages, kept whole under the number they had.
CREATE TABLE undeliverable (
    number          INTEGER PRIMARY KEY,
    uid             BLOB NOT NULL,
    exchange        TEXT NOT NULL,
    routing_key     TEXT NOT NULL,
    correlation_id  TEXT,
    message_id      TEXT NOT NULL,
    content_type    TEXT NOT NULL,
    headers         TEXT NOT NULL,
    body            BLOB NOT NULL
);
CREATE INDEX undeliverable_uid ON undeliverable (uid);

CREATE TABLE definitions (
    digest  TEXT PRIMARY KEY NOT NULL,
    name    TEXT NOT NULL,
    text    TEXT NOT NULL
) WITHOUT ROWID;

-- Jobs by kind and state, counted as they change: metrics are read often, and a million rows are not counted for free.
CREATE TABLE census (
    kind   TEXT NOT NULL,
    state  TEXT NOT NULL,
    jobs   INTEGER NOT NULL,
    PRIMARY KEY (kind, state)
) WITHOUT ROWID;
CREATE TRIGGER jobs_come AFTER INSERT ON jobs BEGIN
    INSERT INTO census VALUES (new.kind, new.state, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER jobs_move AFTER UPDATE OF state ON jobs WHEN old.state <> new.state BEGIN
    UPDATE census SET jobs = jobs - 1 WHERE kind = old.kind AND state = old.state;
    INSERT INTO census VALUES (new.kind, new.state, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER jobs_go AFTER DELETE ON jobs BEGIN
    UPDATE census SET jobs = jobs - 1 WHERE kind = old.kind AND state = old.state;
END;

CREATE TABLE probe (
    id      INTEGER PRIMARY KEY,
    writes  INTEGER NOT NULL
);
