-- How long a lease is, as its holder was given it: workers may have leases of different lengths, and one that is longer than
-- those of its judge has not ended by that. Of the leases that are there nothing is known but their ends.
ALTER TABLE jobs ADD COLUMN lease_length_us bigint NOT NULL DEFAULT 0;
UPDATE jobs SET lease_length_us =
  greatest(0, lease_until_us - (extract(epoch FROM statement_timestamp()) * 1000000)::bigint)
WHERE lease_holder IS NOT NULL;
