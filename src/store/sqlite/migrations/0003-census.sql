-- Jobs are counted in the transactions that move them, once for all that share a commit.
DROP TRIGGER jobs_come;
DROP TRIGGER jobs_move;
DROP TRIGGER jobs_go;
