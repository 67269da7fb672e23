//! File descriptors: how many this process may have, and how many are left for strangers.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::admin::ConnectionLimits;

/// What a worker holds besides the sockets to the cloud: standard streams, the runtime, the files and readers of the store or its
/// pool, three connections to the broker, the log, resolvers and files that are read anew.
const FIXED: u64 = 128;
/// The sockets that a job in work can need at the same time: a look asks both accounts.
const PER_JOB: u64 = 2;
/// The least number of connections to the admin API: a probe, a scraper, a person and one more.
const LEAST: usize = 4;

/// Raises the limit of this process as far as its user may; returns it.
pub(super) fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(_) => current.unwrap_or(u64::MAX),
    }
}

/// How many connections the admin API may have, so that enough descriptors are left for `jobs` in work. If these are fewer than
/// usual, also says so.
pub(super) fn connections(limit: u64, jobs: usize) -> (ConnectionLimits, Option<String>) {
    let usual = ConnectionLimits::default();
    let own = FIXED + PER_JOB * jobs as u64;
    let left = usize::try_from(limit.saturating_sub(own)).unwrap_or(usize::MAX);
    let most = left.clamp(LEAST, usual.most);
    let needed = own + usual.most as u64;
    let short = limit < needed;
    let warning = short.then(|| {
        format!(
            "only {limit} files can be open, and this worker can need {needed}; raise the limit \
             (LimitNOFILE= in the systemd unit, `ulimit -n`), or lower `[worker] concurrency`"
        )
    });
    (ConnectionLimits { most, ..usual }, warning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_get_what_is_left_and_never_more_than_usual() {
        let most = |limit, jobs| connections(limit, jobs).0.most;
        assert_eq!((most(u64::MAX, 256), most(1024, 256)), (64, 64));
        assert_eq!((most(690, 256), most(256, 256), most(0, 1)), (50, 4, 4));
        assert_eq!(connections(1024, 256).1, None);
        let warning = connections(600, 256).1.unwrap();
        assert!(warning.contains("only 600 files") && warning.contains("can need 704"), "{warning}");
    }

    #[test]
    fn the_limit_is_raised_to_the_highest() {
        let raised = raise();
        let now = getrlimit(Resource::Nofile);
        assert_eq!((now.current, now.current.unwrap_or(u64::MAX)), (now.maximum, raised));
    }
}
