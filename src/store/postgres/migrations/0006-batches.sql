-- Batches: jobs that have one end together. `record` is the whole truth of a batch but for `members`, the number of jobs that
-- were accepted, which each of them raises in its own commit. `batch` of a job is taken from its record.
CREATE TABLE batches (
    uid          uuid PRIMARY KEY,
    requester    text NOT NULL,
    batch_id     text NOT NULL COLLATE "C",
    accepted_us  bigint NOT NULL,
    closes_us    bigint NOT NULL,
    ended_us     bigint,
    members      bigint NOT NULL,
    terms        text NOT NULL,
    size         bigint NOT NULL,
    record       text NOT NULL,
    revision     bigint NOT NULL
);
CREATE INDEX batches_accepted ON batches (accepted_us, uid);
CREATE INDEX batches_open ON batches (accepted_us, uid) WHERE ended_us IS NULL;
CREATE INDEX batches_id ON batches (batch_id);

ALTER TABLE jobs ADD COLUMN batch uuid;
CREATE INDEX jobs_batch ON jobs (batch, state, uid) WHERE batch IS NOT NULL;
