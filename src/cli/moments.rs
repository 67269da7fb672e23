//! Points in time as people read them.

use std::io::IsTerminal;

use jiff::tz::TimeZone;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use crate::clock::{self, Clock, SystemClock};
use crate::domain::spoken;

/// How points in time are written.
pub(super) struct Moments {
    now: Timestamp,
    /// For a person at a terminal: in this zone, and how far away it is. `None`: RFC 3339 in UTC, for programs.
    zone: Option<TimeZone>,
}

impl Moments {
    /// For what goes to standard output now. The zone of a terminal is that of `TZ`, or the machine's.
    pub fn on_stdout() -> Self {
        Self { now: SystemClock.now(), zone: std::io::stdout().is_terminal().then(TimeZone::system) }
    }

    /// A point in time, to the second.
    pub fn say(&self, at: Timestamp) -> String {
        let whole = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc);
        let at = at.round(whole).unwrap_or(at);
        let Some(zone) = &self.zone else { return at.to_string() };
        let away = match at > self.now {
            true => format!("in {}", spoken(clock::until(self.now, at))),
            false => format!("{} ago", spoken(clock::until(at, self.now))),
        };
        format!("{} ({away})", at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z"))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As in a pipe.
    pub fn piped() -> Moments {
        Moments { now: Timestamp::UNIX_EPOCH, zone: None }
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
    }
}
