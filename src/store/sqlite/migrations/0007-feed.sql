-- The feed: every event once, under a number that only rises. The one writer gives the numbers, so their order is that of the
-- commits. AUTOINCREMENT: a number is never used twice, also when retention has deleted the last one.
CREATE TABLE feed (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    uid        BLOB NOT NULL,
    sequence   INTEGER NOT NULL,
    requester  TEXT NOT NULL
);
CREATE INDEX feed_uid ON feed (uid);
-- Those of before come first, job by job.
INSERT INTO feed (uid, sequence, requester)
SELECT e.uid, e.sequence, coalesce(j.requester, b.requester, r.requester, '')
FROM events e LEFT JOIN jobs j ON j.uid = e.uid LEFT JOIN batches b ON b.uid = e.uid LEFT JOIN rejections r ON r.uid = e.uid
WHERE e.sequence > 0 ORDER BY e.uid, e.sequence;

-- Of a rejected message: the batch that it named, and how many of its faults are not listed.
ALTER TABLE rejections ADD COLUMN batch_id TEXT;
ALTER TABLE rejections ADD COLUMN not_listed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX rejections_batch ON rejections (batch_id) WHERE batch_id IS NOT NULL;

-- What was wrong when a webhook was called last, for people.
ALTER TABLE outbox ADD COLUMN reason TEXT NOT NULL DEFAULT '';

-- Records can hold the reason `account-not-ready`, which earlier programs cannot read.
