-- Batches: jobs that have one end together. `record` is the whole truth of a batch but for `members`, the number of jobs that
-- were accepted, which each of them raises in its own commit. `batch` of a job is taken from its record.
CREATE TABLE batches (
    uid          BLOB PRIMARY KEY NOT NULL,
    requester    TEXT NOT NULL,
    batch_id     TEXT NOT NULL,
    accepted_us  INTEGER NOT NULL,
    closes_us    INTEGER NOT NULL,
    ended_us     INTEGER,
    members      INTEGER NOT NULL,
    terms        TEXT NOT NULL,
    size         INTEGER NOT NULL,
    record       TEXT NOT NULL,
    revision     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX batches_accepted ON batches (accepted_us, uid);
CREATE INDEX batches_open ON batches (accepted_us, uid) WHERE ended_us IS NULL;
CREATE INDEX batches_id ON batches (batch_id);

ALTER TABLE jobs ADD COLUMN batch BLOB;
CREATE INDEX jobs_batch ON jobs (batch, state, uid) WHERE batch IS NOT NULL;

-- Batches have followers as jobs have.
CREATE TABLE followers_of (
    uid             BLOB NOT NULL,
    reply_to        TEXT NOT NULL,
    correlation_id  TEXT
);
INSERT INTO followers_of SELECT uid, reply_to, correlation_id FROM followers ORDER BY rowid;
DROP TABLE followers;
ALTER TABLE followers_of RENAME TO followers;
CREATE INDEX followers_uid ON followers (uid);
