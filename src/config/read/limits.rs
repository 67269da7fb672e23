//! `[cloud.budget]` and `[limits]`: how many calls are made, and how many jobs begin.

use super::super::bounds::{MOST_CALLS, MOST_LIMIT};
use super::super::raw_settings::RawSettings;
use crate::cloud::Limits;
use crate::domain::Operation;
use crate::engine::guards::HourlyLimits;

pub(super) fn read_limits(raw: &mut RawSettings<'_>) -> Limits {
    let usual = Limits::default();
    let mut number = |section: &str, key: &str| {
        let number = raw.number(section, key, 1, MOST_CALLS)?;
        Some(u32::try_from(number).expect("bounded just above"))
    };
    Limits {
        reads_per_second: number("cloud.budget", "reads_per_second").unwrap_or(usual.reads_per_second),
        writes_per_second: number("cloud.budget", "writes_per_second").unwrap_or(usual.writes_per_second),
        burst: number("cloud.budget", "burst").unwrap_or(usual.burst),
        operations: Operation::ALL
            .iter()
            .filter_map(|operation| Some((*operation, number("cloud.budget.operations", operation.as_str())?)))
            .collect(),
    }
}

pub(super) fn read_hourly(raw: &mut RawSettings<'_>) -> HourlyLimits {
    let usual = HourlyLimits::default();
    let mut limit = |key: &str| {
        let limit = raw.limit("limits", key, MOST_LIMIT)?;
        Some(limit.map(|number| u32::try_from(number).expect("bounded just above")))
    };
    HourlyLimits {
        revokes_per_cen: limit("revokes_per_cen").unwrap_or(usual.revokes_per_cen),
        payer_changes_per_account: limit("payer_changes_per_account").unwrap_or(usual.payer_changes_per_account),
    }
}

/// A requester's jobs on one instance run one after the other, and few are ever asked for at a time. Without a limit one
/// requester could fill the store and hold an instance of many owners for days.
const UNBEGUN_PER_INSTANCE: u32 = 100;

pub(super) fn read_unbegun(raw: &mut RawSettings<'_>) -> Option<u32> {
    let limit = raw.limit("limits", "unbegun_per_instance", MOST_LIMIT);
    let limit = limit.map(|limit| limit.map(|number| u32::try_from(number).expect("bounded just above")));
    limit.unwrap_or(Some(UNBEGUN_PER_INSTANCE))
}
