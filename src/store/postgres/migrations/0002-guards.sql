-- Guards. `counted_as` and `begun_us` are set once a job that counts has begun to write: what an hourly limit counts.
-- `held` is the paused account that a job waits for. All three are taken from the record.
ALTER TABLE jobs ADD COLUMN counted_as text, ADD COLUMN begun_us bigint, ADD COLUMN held text;
CREATE INDEX jobs_begun ON jobs (counted_as, begun_us) WHERE counted_as IS NOT NULL;
CREATE INDEX jobs_held ON jobs (held, uid) WHERE held IS NOT NULL;

-- Accounts that are paused, and those that were: a job that is held for one of the latter can be claimed, also if it was
-- put to rest only after the pause had ended.
CREATE TABLE pauses (
    account   text COLLATE "C" PRIMARY KEY,
    active    boolean NOT NULL,
    since_us  bigint NOT NULL,
    set_by    bytea NOT NULL,
    reason    bytea NOT NULL
);
