-- A job waits behind those that name the same owner for the same instance: of two owners one is false, and must not hold up
-- the other. `instance_owner` is taken from the record. `locks` belongs to the queue: the job may have written, and no other
-- job on the instance, whatever owner it names, begins to write before it has left.
ALTER TABLE jobs ADD COLUMN instance_owner text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN locks boolean NOT NULL DEFAULT false;
-- Not by the functions for JSON, which take no record that holds a NUL.
UPDATE jobs SET instance_owner = coalesce(substring(record FROM '"instance":\{[^{}]*"owner":"([0-9]+)"'), ''),
  locks = turn IS NOT NULL AND is_first AND position('"writes":[' IN record) > 0;
DROP INDEX jobs_line;
CREATE INDEX jobs_queue ON jobs (instance_id, instance_owner, turn) WHERE turn IS NOT NULL;
CREATE INDEX jobs_locks ON jobs (instance_id) WHERE locks;
UPDATE jobs SET is_first = true WHERE NOT is_first AND NOT EXISTS (
  SELECT FROM jobs before WHERE before.instance_id = jobs.instance_id AND before.instance_owner = jobs.instance_owner
    AND before.turn < jobs.turn);

-- Requesters take turns: what can be claimed, of each requester by due time; and what can be once a pause has ended.
DROP INDEX jobs_ready;
CREATE INDEX jobs_ready ON jobs (requester, due_us, uid) WHERE is_first AND NOT swept AND due_us IS NOT NULL;
CREATE INDEX jobs_held_by ON jobs (requester, held, uid) WHERE held IS NOT NULL;

-- How many jobs of a requester on an instance have not begun.
CREATE INDEX jobs_unbegun ON jobs (instance_id, requester) WHERE NOT ended AND begun_us IS NULL;
