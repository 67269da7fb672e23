-- A job waits behind those that name the same owner for the same instance: of two owners one is false, and must not hold up
-- the other. `instance_owner` is taken from the record. `locks` belongs to the queue: the job may have written, and no other
-- job on the instance, whatever owner it names, begins to write before it has left.
ALTER TABLE jobs ADD COLUMN instance_owner TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN locks INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET
  instance_owner = coalesce(CASE WHEN json_valid(record) THEN json_extract(record, '$.job.instance.owner') END, ''),
  locks = turn IS NOT NULL AND is_first = 1 AND instr(record, '"writes":[') > 0;
DROP INDEX jobs_line;
CREATE INDEX jobs_queue ON jobs (instance_id, instance_owner, turn) WHERE turn IS NOT NULL;
CREATE INDEX jobs_locks ON jobs (instance_id) WHERE locks = 1;
UPDATE jobs SET is_first = 1 WHERE is_first = 0 AND NOT EXISTS (
  SELECT 1 FROM jobs before WHERE before.instance_id = jobs.instance_id AND before.instance_owner = jobs.instance_owner
    AND before.turn < jobs.turn);

-- Requesters take turns: what can be claimed, of each requester by due time; and what can be once a pause has ended.
DROP INDEX jobs_ready;
CREATE INDEX jobs_ready ON jobs (requester, due_us, uid) WHERE is_first = 1 AND swept = 0 AND due_us IS NOT NULL;
CREATE INDEX jobs_held_by ON jobs (requester, held, uid) WHERE held IS NOT NULL;

-- How many jobs of a requester on an instance have not begun.
CREATE INDEX jobs_unbegun ON jobs (instance_id, requester) WHERE ended = 0 AND begun_us IS NULL;
