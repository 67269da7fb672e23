//! How often one operation may be called as one account. Pure: the caller passes the time in.
//!
//! This is a token bucket, kept as the one instant at which it would be full again (`full_at`). Whole nanoseconds round
//! nothing away, so a caller at exactly the rate stays at exactly the rate. In any span `t` at most `burst + rate × t`
//! calls go out.
//!
//! The rate adapts. A throttled call halves it, once for all calls that were under way together, down to a sixteenth of
//! the configured rate, and closes the bucket for as long as the server asked. After that the rate grows each second by
//! a twentieth of the configured one until it is back.
//!
//! Several workers may share the limits. Each then has its part of the rate and of the burst, and at least one call at
//! a time.

use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
/// The rate never falls below the configured one divided by this.
pub(super) const FLOOR: f64 = 16.0;
/// The part of the configured rate that comes back each second.
pub(super) const RECOVERY: f64 = 0.05;

/// The calls of one operation as one account. Instants are those of the uptime clock.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    /// The configured rate of all workers together.
    per_second: u32,
    burst: u32,
    /// This worker's part of it, in calls per second.
    ceiling: f64,
    /// How far ahead of the rate calls may go out after a pause: one less than the burst.
    ahead: u64,
    /// The rate at `since`; it grows from there.
    rate: f64,
    since: u64,
    /// When the rate was last halved. A call that was sent earlier and is throttled does not halve it again.
    slowed_at: Option<u64>,
    /// When it will be full again if nothing is called meanwhile.
    full_at: u64,
}

impl Bucket {
    /// A full bucket. Both numbers are at least 1.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let ceiling = f64::from(per_second.max(1));
        let ahead = u64::from(burst.saturating_sub(1)).saturating_mul(interval(ceiling));
        Self { per_second, burst, ceiling, ahead, rate: ceiling, since: 0, slowed_at: None, full_at: 0 }
    }

    /// Divides the limits by a new number of workers. The bucket opens when it would have opened anyway, without its burst:
    /// this worker, or the one whose part it takes over, may have used that already.
    pub fn share(&mut self, workers: u32, now: Duration) {
        let workers = workers.max(1);
        let ceiling = f64::from(self.per_second.max(1)) / f64::from(workers);
        let opens_at = self.opens_at().max(now);
        self.rate = self.rate(now) * ceiling / self.ceiling;
        self.since = self.since.max(nanos(now));
        self.ceiling = ceiling;
        self.ahead = u64::from((self.burst / workers).saturating_sub(1)).saturating_mul(interval(ceiling));
        self.full_at = nanos(opens_at).saturating_add(self.ahead);
    }

    /// Takes other limits, for the same number of workers. The bucket opens when it would have opened anyway, without its burst.
    pub fn limit(&mut self, per_second: u32, burst: u32, workers: u32, now: Duration) {
        (self.per_second, self.burst) = (per_second, burst);
        self.share(workers, now);
    }

    /// This worker's part of the configured rate, in calls per second.
    pub fn ceiling(&self) -> f64 {
        self.ceiling
    }

    /// Calls per second now.
    pub fn rate(&self, now: Duration) -> f64 {
        let since = nanos(now).saturating_sub(self.since);
        (self.rate + self.ceiling * RECOVERY * Duration::from_nanos(since).as_secs_f64()).min(self.ceiling)
    }

    /// When the next call may go out.
    pub fn opens_at(&self) -> Duration {
        Duration::from_nanos(self.full_at.saturating_sub(self.ahead))
    }

    /// When a call may go out that waits behind `ahead` others, at the present rate.
    pub fn opens_at_for(&self, ahead: u32, now: Duration) -> Duration {
        self.opens_at().max(now).saturating_add(Duration::from_nanos(interval(self.rate(now))).saturating_mul(ahead))
    }

    /// Takes one call out. `false`: none may go out now.
    pub fn take(&mut self, now: Duration) -> bool {
        if self.opens_at() > now {
            return false;
        }
        self.full_at = self.full_at.max(nanos(now)).saturating_add(interval(self.rate(now)));
        true
    }

    /// Slows down after a call that was sent at `sent` and throttled.
    pub fn throttled(&mut self, sent: Duration, now: Duration, retry_after: Option<Duration>) {
        if self.slowed_at.is_none_or(|slowed| nanos(sent) >= slowed) {
            self.rate = (self.rate(now) / 2.0).max(self.ceiling / FLOOR);
            self.slowed_at = Some(nanos(now));
        } else {
            self.rate = self.rate(now);
        }
        // The rate does not recover while the bucket is closed, and it opens empty: a burst would be throttled again.
        let closed = retry_after.unwrap_or_default();
        self.since = nanos(now.saturating_add(closed));
        let pause = nanos(closed).max(interval(self.rate(now)));
        self.full_at = self.full_at.max(nanos(now).saturating_add(pause).saturating_add(self.ahead));
    }
}

/// Nanoseconds between two calls, at least one: a rate is at least 1/16 of a worker's part and at most `u32::MAX`.
fn interval(rate: f64) -> u64 {
    (SECOND as f64 / rate).ceil() as u64
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// What happens to a bucket: time passes, a call is asked for, or one is throttled.
    #[derive(Debug, Clone)]
    enum Happening {
        Pass(u64),
        Ask,
        Throttle(Option<u64>),
    }

    fn steps() -> impl Strategy<Value = Vec<Happening>> {
        let throttle = proptest::option::of(0u64..5_000).prop_map(Happening::Throttle);
        let step = prop_oneof![4 => (0u64..400).prop_map(Happening::Pass), 8 => Just(Happening::Ask), 1 => throttle];
        proptest::collection::vec(step, 1..300)
    }

    proptest! {
        #[test]
        fn no_span_holds_more_than_the_burst_and_the_rate(rate in 1u32..100, burst in 1u32..20, steps in steps()) {
            let mut bucket = Bucket::new(rate, burst);
            let (mut now, mut taken) = (Duration::ZERO, vec![]);
            for step in steps {
                match step {
                    Happening::Pass(span) => now += ms(span),
                    Happening::Ask => taken.extend(bucket.take(now).then_some(now)),
                    Happening::Throttle(closed) => {
                        bucket.throttled(now, now, closed.map(ms));
                        let opens = now + closed.map(ms).unwrap_or_default();
                        prop_assert!(bucket.opens_at() >= opens && !bucket.clone().take(now));
                    }
                }
                prop_assert!(bucket.rate(now) <= f64::from(rate));
                prop_assert!(bucket.rate(now) >= f64::from(rate) / FLOOR);
            }
            for (first, from) in taken.iter().enumerate() {
                for (last, until) in taken.iter().enumerate().skip(first) {
                    let allowed = f64::from(burst) + f64::from(rate) * (*until - *from).as_secs_f64();
                    prop_assert!((last - first + 1) as f64 <= allowed + 1e-6);
                }
            }
        }

        #[test]
        fn it_recovers_whatever_happened(rate in 1u32..100, burst in 1u32..20, times in 1u64..50, closed in 0u64..9_000) {
            let mut bucket = Bucket::new(rate, burst);
            for n in 0..times {
                bucket.throttled(ms(n), ms(n), Some(ms(closed)));
            }
            // 15/16 of the rate at 5 % each second, after it has opened.
            let after = ms(times + closed) + ms(19_000);
            prop_assert_eq!(bucket.rate(after), f64::from(rate));
            let sixteen_intervals = Duration::from_secs_f64(f64::from(burst) * FLOOR / f64::from(rate));
            let full = after + sixteen_intervals;
            let mut at_once = 0;
            while bucket.take(full) {
                at_once += 1;
            }
            prop_assert_eq!(at_once, burst);
        }
    }

    #[test]
    fn calls_at_the_rate_go_out_exactly_at_the_rate() {
        let mut bucket = Bucket::new(20, 3);
        let (mut now, mut taken) = (Duration::ZERO, vec![]);
        while taken.len() < 203 {
            now = now.max(bucket.opens_at());
            assert!(bucket.take(now));
            taken.push(now);
        }
        assert_eq!(taken[2], Duration::ZERO, "the burst");
        assert_eq!(taken[202], Duration::from_secs(10));
    }

    #[test]
    fn calls_that_were_under_way_together_halve_the_rate_once() {
        let mut bucket = Bucket::new(20, 10);
        for _ in 0..10 {
            bucket.throttled(ms(1), ms(50), None);
        }
        assert_eq!(bucket.rate(ms(50)), 10.0);
        bucket.throttled(ms(60), ms(60), None);
        assert!(bucket.rate(ms(60)) < 5.1);
    }

    #[test]
    fn parts_add_up_to_the_whole_and_a_part_grows_without_a_burst() {
        let mut parts = [Bucket::new(10, 4), Bucket::new(10, 4)];
        for part in &mut parts {
            part.share(2, ms(0));
            assert_eq!(part.rate(ms(0)), 5.0);
        }
        let taken = |bucket: &mut Bucket, span: std::ops::Range<u64>| span.filter(|at| bucket.take(ms(*at))).count();
        let both = parts.iter_mut().map(|part| taken(part, 0..1_000)).sum::<usize>();
        assert_eq!(both, 10);
        parts[0].share(1, ms(10_000));
        assert_eq!(parts[0].rate(ms(10_000)), 10.0);
        assert_eq!(taken(&mut parts[0], 10_000..10_100), 1, "the other worker may have used its part already");
        assert!((10..=11).contains(&taken(&mut parts[0], 10_100..11_100)));
        assert_eq!(taken(&mut parts[0], 20_000..20_050), 4, "the burst is whole again");
    }

    #[test]
    fn a_part_that_is_closed_stays_closed_as_long_as_the_server_asked() {
        let mut bucket = Bucket::new(4, 5);
        bucket.throttled(ms(0), ms(0), Some(ms(3_000)));
        for (at, workers) in [(500, 2), (1_000, 1), (1_500, 3), (2_000, 1)] {
            bucket.share(workers, ms(at));
        }
        assert!(!bucket.take(ms(2_999)));
        assert_eq!(bucket.rate(ms(3_000)), 2.0, "it is as slow as it was");
        assert!(bucket.take(ms(3_000)));
    }

    #[test]
    fn it_stays_closed_as_long_as_the_server_asked_and_opens_empty() {
        let mut bucket = Bucket::new(4, 5);
        bucket.throttled(ms(0), ms(0), Some(ms(3_000)));
        assert!(!bucket.take(ms(2_999)));
        assert_eq!(bucket.rate(ms(3_000)), 2.0, "nothing comes back while it is closed");
        assert!(bucket.take(bucket.opens_at()));
        assert!(!bucket.take(ms(3_400)), "it opens without its burst");
    }
}
