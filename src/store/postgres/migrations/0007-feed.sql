-- The feed: every event once, under a number that only rises. `arrival` is taken when the event is written, and transactions do
-- not commit in that order. So `number` is given later, by one transaction at a time, to what is committed by then: behind a
-- number that a reader has seen, none appears before it.
CREATE TABLE feed (
    uid        uuid NOT NULL,
    sequence   integer NOT NULL,
    requester  text NOT NULL,
    arrival    bigint GENERATED ALWAYS AS IDENTITY,
    number     bigint,
    PRIMARY KEY (uid, sequence)
);
CREATE SEQUENCE feed_numbers;
CREATE INDEX feed_number ON feed (number) WHERE number IS NOT NULL;
CREATE INDEX feed_arrival ON feed (arrival) WHERE number IS NULL;
-- Those of before come first, job by job.
INSERT INTO feed (uid, sequence, requester, number)
SELECT uid, sequence, requester, nextval('feed_numbers')
FROM (SELECT e.uid, e.sequence, coalesce(j.requester, b.requester, r.requester, '') AS requester
      FROM events e LEFT JOIN jobs j ON j.uid = e.uid LEFT JOIN batches b ON b.uid = e.uid
        LEFT JOIN rejections r ON r.uid = e.uid
      WHERE e.sequence > 0 ORDER BY e.uid, e.sequence) AS ordered;

-- Of a rejected message: the batch that it named, and how many of its faults are not listed.
ALTER TABLE rejections ADD COLUMN batch_id text COLLATE "C", ADD COLUMN not_listed bigint NOT NULL DEFAULT 0;
CREATE INDEX rejections_batch ON rejections (batch_id) WHERE batch_id IS NOT NULL;

-- What was wrong when a webhook was called last, for people.
ALTER TABLE outbox ADD COLUMN reason text NOT NULL DEFAULT '';

-- Records can hold the reason `account-not-ready`, which earlier programs cannot read.
