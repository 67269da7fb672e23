//! Jobs as the rows of a table, for people.

use super::moments::Moments;
use super::terminal::{columns, cut, cut_middle};
use crate::admin::{Explanation, JobRow};
use crate::engine::record::Record;

/// The width of a terminal that does not say.
const COLUMNS: usize = 80;
/// The width from which on there is room for whole ids of instances.
const ROOMY: usize = 100;
/// The most characters of an id in a table that fits a terminal, and in one with room.
const LONGEST_ID: [usize; 2] = [16, 26];
/// The fewest characters of the last column. With these, and the longest of all others, a row has 80.
const NARROWEST_WHY: usize = 12;

/// How a table is printed.
pub(super) struct TableStyle {
    moments: Moments,
    /// With the uid and the requester of each job.
    wide: bool,
    /// The most characters of a row; `None` for no limit.
    width: Option<usize>,
}

impl TableStyle {
    /// For what goes to standard output: on a terminal rows fit its width, unless they are to be wide.
    pub fn on_stdout(wide: bool) -> Self {
        let moments = Moments::on_stdout();
        let fits = moments.for_people() && !wide;
        Self { width: fits.then(|| columns(std::io::stdout()).unwrap_or(COLUMNS)), wide, moments }
    }
}

/// A table that is printed page by page, under one heading.
pub(super) struct JobTable {
    style: TableStyle,
    /// How wide each column is so far. Those of later pages stay in line with it unless they are wider.
    widths: Vec<usize>,
}

impl JobTable {
    pub fn new(style: TableStyle) -> Self {
        Self { style, widths: Vec::new() }
    }

    /// The next rows, with the heading above the first ones. Nothing if there is no job.
    pub fn rows(&mut self, jobs: &[JobRow]) -> Vec<String> {
        let heading = (self.widths.is_empty() && !jobs.is_empty()).then(|| self.heading());
        let rows: Vec<Vec<String>> = heading.into_iter().chain(jobs.iter().map(|job| self.cells(job))).collect();
        for row in &rows {
            self.widths.resize(row.len(), 0);
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        rows.iter().map(|row| self.line(row)).collect()
    }

    fn heading(&self) -> Vec<String> {
        let age = if self.style.moments.for_people() { "AGE" } else { "ACCEPTED" };
        let names: &[&str] = match self.style.wide {
            true => &["UID", age, "STATE", "KIND", "REQUESTER", "ID", "INSTANCE", "WHY"],
            false => &[age, "STATE", "KIND", "ID", "INSTANCE", "WHY"],
        };
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn cells(&self, JobRow { job, explanation }: &JobRow) -> Vec<String> {
        let wide = |cell: String| self.style.wide.then_some(cell);
        let cells = [
            wide(job.uid.to_string()),
            Some(self.style.moments.age(job.accepted_at)),
            Some(state(job).to_owned()),
            Some(job.job.kind.to_string()),
            wide(job.requester.to_string()),
            Some(self.id(job.job.id.as_str())),
            Some(self.id(job.job.instance.id.as_str())),
            Some(why(job, explanation).to_owned()),
        ];
        cells.into_iter().flatten().collect()
    }

    /// An id as it fits.
    fn id(&self, id: &str) -> String {
        match self.style.width {
            None => id.to_owned(),
            Some(width) => cut_middle(id, LONGEST_ID[usize::from(width >= ROOMY)]),
        }
    }

    /// A row with its columns in line. What is left of the width is for the last one; where that is too little, the row wraps
    /// rather than that it says nothing.
    fn line(&self, row: &[String]) -> String {
        let Some((why, cells)) = row.split_last() else { return String::new() };
        let cells = cells.iter().zip(&self.widths).map(|(cell, width)| format!("{cell:width$}  "));
        let cells = cells.collect::<String>();
        let Some(width) = self.style.width else { return cells + why };
        cut(&(cells.clone() + why), width.max(cells.chars().count() + NARROWEST_WHY))
    }
}

/// Why a job is where it is, beside its instance, with which many such sentences begin.
pub(crate) fn why<'a>(job: &Record, explanation: &'a Explanation) -> &'a str {
    let why = explanation.why.as_str();
    why.strip_prefix(job.job.instance.id.as_str()).and_then(|rest| rest.strip_prefix(' ')).unwrap_or(why)
}

/// The state of a job for people: one that is held is neither waiting for its turn nor worked on.
fn state(record: &Record) -> &'static str {
    if record.phase.held().is_some() { "held" } else { record.state().as_str() }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::golden;
    use super::super::moments::tests::{at_terminal, piped};
    use super::*;
    use crate::admin::explain;
    use crate::admin::testing::{at, record};
    use crate::domain::Reason;
    use crate::engine::record::{Ending, Phase, Turn};

    fn row(id: &str) -> JobRow {
        let job = record(id);
        JobRow { explanation: explain(&job, None, true, at("2026-11-21T10:20:00Z")), job }
    }

    fn held(id: &str) -> JobRow {
        let mut held = row(id);
        let account = held.job.job.cen.owner.clone();
        held.job.phase = Phase::Running(Turn::Held { account, expires: None });
        held
    }

    fn table(moments: Moments, wide: bool, width: Option<usize>) -> JobTable {
        JobTable::new(TableStyle { moments, wide, width })
    }

    fn now() -> Timestamp {
        row("NET-1").job.accepted_at + std::time::Duration::from_secs(300)
    }

    #[test]
    fn a_person_sees_ages_and_rows_that_fit_and_no_uids() {
        let mut rows = table(at_terminal(now()), false, Some(80)).rows(&[held("NET-1"), row("NET-4312/1")]);
        assert!(rows.iter().all(|row| row.chars().count() <= 80), "{rows:#?}");
        assert!(rows[0].starts_with("AGE  STATE   KIND          ID          INSTANCE"), "{rows:#?}");
        assert!(rows[1].starts_with("5m   held    payer-change  NET-1       vpc-bp1h…ju50001  "), "{rows:#?}");
        assert!(rows[2].ends_with("  it is the first job on…"), "{rows:#?}");
        rows = table(at_terminal(now()), false, Some(20)).rows(&[row("NET-1")]);
        assert!(rows[1].ends_with("  it is the f…"), "a narrow terminal wraps: {rows:#?}");
        rows = table(at_terminal(now()), false, Some(80)).rows(&[row("onboarding-of-a-subsidiary/2026-11/VPC-000731")]);
        assert!(rows.iter().all(|row| row.chars().count() <= 80), "{rows:#?}");
        assert!(rows[1].contains("  onboardi…-000731  "), "{rows:#?}");
    }

    #[test]
    fn jobs_fit_the_terminal() {
        let mut parked = row("NET-4312/2");
        let ending =
            Ending { reason: Reason::HalfDone, message: "the second write was refused".into(), findings: vec![] };
        parked.job.phase = Phase::Parked { ending, half_done: true };
        parked.explanation = explain(&parked.job, None, true, now());
        let mut waiting = row("NET-4312/3");
        waiting.job.phase = Phase::Waiting { due: now() };
        waiting.explanation.why = "PayByResourceOwner is written on both sides, and in force from 11:00:00".into();
        let rows = [held("NET-4312/1"), parked, waiting, row("onboarding-of-a-subsidiary/2026-11/VPC-000731")];
        golden::holds("jobs", |columns| table(at_terminal(now()), false, Some(columns)).rows(&rows));
    }

    #[test]
    fn a_pipe_gets_whole_rows_and_wide_ones_have_uid_and_requester() {
        let rows = table(piped(), false, None).rows(&[row("NET-1")]);
        assert!(rows[0].starts_with("ACCEPTED              STATE"), "{rows:#?}");
        assert!(rows[1].ends_with("it is the first job on its instance"), "{rows:#?}");
        let job = row("NET-1").job;
        let rows = table(at_terminal(now()), true, None).rows(&[row("NET-1")]);
        assert!(rows[0].starts_with("UID ") && rows[0].contains("  REQUESTER"), "{rows:#?}");
        assert!(rows[1].starts_with(&job.uid.to_string()), "{rows:#?}");
        assert!(rows[1].contains(&format!(" {} ", job.requester)), "{rows:#?}");
    }

    #[test]
    fn the_sentence_beside_an_instance_does_not_name_it_again() {
        let mut done = row("NET-1");
        done.explanation.why = "vpc-bp1h8vbrbcgohcju50001 in cen-44m0p68spvlrqq0001: PayByResourceOwner".into();
        let rows = table(piped(), false, None).rows(&[done]);
        assert!(
            rows[1].ends_with("vpc-bp1h8vbrbcgohcju50001  in cen-44m0p68spvlrqq0001: PayByResourceOwner"),
            "{rows:?}"
        );
        assert_eq!(rows[1].matches("vpc-").count(), 1, "{rows:?}");
    }

    #[test]
    fn pages_stand_under_one_heading_and_in_line() {
        let mut table = table(piped(), false, None);
        assert_eq!(table.rows(&[]), Vec::<String>::new());
        let (first, second) = (table.rows(&[row("NET-4312/1")]), table.rows(&[row("NET-2")]));
        assert_eq!((first.len(), second.len()), (2, 1));
        let column = first[0].find("INSTANCE").unwrap();
        assert!(
            first[1][column..].starts_with("vpc-") && second[0][column..].starts_with("vpc-"),
            "{first:?} {second:?}"
        );
    }
}
