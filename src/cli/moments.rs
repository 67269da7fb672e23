//! Points in time as people read them.

use std::io::IsTerminal;
use std::time::Duration;

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use crate::clock::{self, Clock, SystemClock};
use crate::domain::{spoken, whole_second};

/// Up to which distance the time of the day alone tells a point in time.
const NEAR: Duration = Duration::from_secs(20 * 3600);

/// How points in time are written.
pub(crate) struct Moments {
    now: Timestamp,
    /// For a person at a terminal: in this zone, and how far away it is. `None`: RFC 3339 in UTC, for programs.
    zone: Option<TimeZone>,
}

impl Moments {
    /// For people, in UTC.
    pub(crate) fn for_people_at(now: Timestamp) -> Self {
        Self { now, zone: Some(TimeZone::UTC) }
    }

    /// For what goes to standard output now. The zone of a terminal is that of `TZ`, or the machine's.
    pub fn on_stdout() -> Self {
        Self::on_stdout_at(SystemClock.now())
    }

    /// The same, by the clock of a worker.
    pub fn on_stdout_at(now: Timestamp) -> Self {
        Self { now, zone: std::io::stdout().is_terminal().then(TimeZone::system) }
    }

    /// A point in time in few characters: the time of the day if it is near, or else the day.
    pub fn short(&self, at: Timestamp) -> String {
        let is_near = clock::until(at, self.now).max(clock::until(self.now, at)) < NEAR;
        let (near, far) =
            if self.zone.is_some() { ("%H:%M:%S", "%Y-%m-%d %H:%M") } else { ("%H:%M:%SZ", "%Y-%m-%dT%H:%MZ") };
        self.zoned(at).strftime(if is_near { near } else { far }).to_string()
    }

    /// By how much the zone differs from UTC, for a person.
    pub fn offset(&self) -> String {
        match self.zone {
            Some(_) => offset(&self.zoned(self.now)),
            None => String::new(),
        }
    }

    fn zoned(&self, at: Timestamp) -> Zoned {
        at.to_zoned(self.zone.clone().unwrap_or(TimeZone::UTC))
    }

    /// How long ago a point in time was, in one unit: what fits in a column of a table. RFC 3339 for programs.
    pub fn age(&self, at: Timestamp) -> String {
        if self.zone.is_none() {
            return whole_second(at).to_string();
        }
        let seconds = clock::until(at, self.now).as_secs();
        match seconds {
            0..120 => format!("{seconds}s"),
            120..7_200 => format!("{}m", seconds / 60),
            7_200..172_800 => format!("{}h", seconds / 3_600),
            _ => format!("{}d", seconds / 86_400),
        }
    }

    /// Whether a person reads it.
    pub fn for_people(&self) -> bool {
        self.zone.is_some()
    }

    /// The time of the day.
    pub fn clock(&self, at: Timestamp) -> String {
        self.zoned(at).strftime("%H:%M:%S").to_string()
    }

    /// A point in time, to the second.
    pub fn stamp(&self, at: Timestamp) -> String {
        let at = whole_second(at);
        let Some(zone) = &self.zone else { return at.to_string() };
        let at = at.to_zoned(zone.clone());
        at.strftime("%Y-%m-%d %H:%M:%S").to_string() + &offset(&at)
    }

    /// The same, and for a person how far away it is.
    pub fn say(&self, at: Timestamp) -> String {
        let stamp = self.stamp(at);
        match at > self.now {
            _ if self.zone.is_none() => stamp,
            true => format!("{stamp} (in {})", spoken(clock::until(self.now, at))),
            false => format!("{stamp} ({} ago)", spoken(clock::until(whole_second(at), self.now))),
        }
    }
}

/// How a zone differs from UTC, behind a time: `Z` where it does not, as programs are told it.
fn offset(at: &Zoned) -> String {
    if at.offset() == Offset::UTC { "Z".to_owned() } else { at.strftime(" %:z").to_string() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As in a pipe.
    pub fn piped() -> Moments {
        piped_at(Timestamp::UNIX_EPOCH)
    }

    pub fn piped_at(now: Timestamp) -> Moments {
        Moments { now, zone: None }
    }

    /// As on a terminal, in UTC.
    pub fn at_terminal(now: Timestamp) -> Moments {
        Moments { now, zone: Some(TimeZone::UTC) }
    }

    #[test]
    fn a_pipe_gets_whole_seconds_in_utc_and_a_person_their_own_zone() {
        let now: Timestamp = "2026-11-28T16:24:31Z".parse().unwrap();
        let at: Timestamp = "2026-11-28T16:24:02.605671196Z".parse().unwrap();
        assert_eq!(Moments { now, zone: None }.say(at), "2026-11-28T16:24:02Z");
        let shanghai = Moments { now, zone: Some(TimeZone::get("Asia/Shanghai").unwrap()) };
        assert_eq!(shanghai.say(at), "2026-11-29 00:24:02 +08:00 (29 s ago)");
        let later: Timestamp = "2026-11-28T22:12:31Z".parse().unwrap();
        assert_eq!(shanghai.say(later), "2026-11-29 06:12:31 +08:00 (in 5 h 48 min)");
        assert_eq!(shanghai.clock(at), "00:24:02");
        let utc = Moments { now, zone: None };
        assert_eq!((shanghai.short(at).as_str(), utc.short(at).as_str()), ("00:24:02", "16:24:02Z"));
        let old = "2026-11-25T09:00:00Z".parse().unwrap();
        assert_eq!((shanghai.short(old).as_str(), utc.short(old).as_str()), ("2026-11-25 17:00", "2026-11-25T09:00Z"));
        assert_eq!((shanghai.offset().as_str(), utc.offset().as_str()), (" +08:00", ""));
    }

    #[test]
    fn utc_is_written_one_way() {
        let at: Timestamp = "2026-11-28T16:24:02Z".parse().unwrap();
        assert_eq!(
            (at_terminal(at).stamp(at).as_str(), at_terminal(at).offset().as_str()),
            ("2026-11-28 16:24:02Z", "Z")
        );
    }

    #[test]
    fn an_age_has_one_unit_and_a_pipe_gets_the_time() {
        let at: Timestamp = "2026-11-28T16:24:02.605671196Z".parse().unwrap();
        let after = |seconds| at + std::time::Duration::from_secs(seconds);
        let age = |seconds| Moments { now: after(seconds), zone: Some(TimeZone::UTC) }.age(at);
        assert_eq!(
            [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(age),
            ["0s", "119s", "2m", "119m", "2h", "47h", "2d"]
        );
        assert_eq!(Moments { now: at, zone: Some(TimeZone::UTC) }.age(after(9)), "0s", "clocks differ");
        assert_eq!(piped().age(at), "2026-11-28T16:24:02Z");
    }
}
