//! Every operation that the client knows × everything that can go wrong with a call × for how long, in every kind of job
//! that calls it: the right end, the exact ledger, no write sent more often than it must be, one end said, and nothing
//! completed that the ledger does not show. The table is generated; a new operation of the simulated cloud that is in no
//! row fails it.

mod cell;
mod column;
mod expect;
mod scenario;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossgrant::engine::record::{Record, State};
use crossgrant::simulator::operations;

use crate::support::thorough;

use cell::{Cell, Undisturbed};
use column::{Column, Length};
use scenario::{Keys, Scenario};

/// Operations that the simulated cloud has for tests and the client never calls.
const NEVER_CALLED: [(&str, &str); 6] = [
    ("CheckTransitRouterService", "only `crossgrant doctor` asks it"),
    ("UpdateTransitRouterEcrAttachmentAttribute", "the payer of an attached ECR cannot be changed (API §H4)"),
    ("CreateTransitRouterVpcAttachment", "a grant lets the other account attach; the worker does not"),
    ("CreateTransitRouterVbrAttachment", "a grant lets the other account attach; the worker does not"),
    ("CreateTransitRouterVpnAttachment", "a grant lets the other account attach; the worker does not"),
    ("CreateTransitRouterEcrAttachment", "a grant lets the other account attach; the worker does not"),
];

/// Of how many cells `make test` runs one. It has no common divisor with the number of columns, so that no column is left out.
const SHARE: usize = 9;

/// The scenarios, and what each does undisturbed, by the keys it is given.
struct Table {
    scenarios: Vec<Scenario>,
    undisturbed: BTreeMap<(usize, bool), Undisturbed>,
    token: tempfile::TempDir,
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

impl Table {
    fn new() -> Self {
        let token = tempfile::tempdir_in(crate::support::scratch()).unwrap();
        std::fs::write(token.path().join("token"), "s3cr3t-oidc").unwrap();
        let scenarios = Scenario::all();
        let runtime = runtime();
        let mut undisturbed = BTreeMap::new();
        for (i, scenario) in scenarios.iter().enumerate() {
            let path = token.path().join("token");
            undisturbed.insert((i, false), runtime.block_on(Undisturbed::of(scenario, scenario.keys, &path)));
            let keys = if scenario.keys == Keys::Given { Keys::Role } else { scenario.keys };
            undisturbed.insert((i, true), runtime.block_on(Undisturbed::of(scenario, keys, &path)));
        }
        Self { scenarios, undisturbed, token }
    }

    fn token(&self) -> std::path::PathBuf {
        self.token.path().join("token")
    }

    fn undisturbed(&self, cell: &Cell) -> &Undisturbed {
        &self.undisturbed[&(cell.scenario, cell.column == Column::ExpiredToken)]
    }

    /// The jobs in which an operation is called, the plainest first.
    fn jobs_with(&self, operation: &str) -> Vec<usize> {
        (0..self.scenarios.len()).filter(|i| self.undisturbed[&(*i, false)].calls.contains_key(operation)).collect()
    }

    /// Every operation, fault and length; what passes strikes the first call of every job, and in the plainest job every
    /// call; what lasts, one job of each type.
    fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for operation in operations() {
            let mut types = BTreeSet::new();
            for (nth_job, scenario) in self.jobs_with(operation).into_iter().enumerate() {
                let of_a_new_type = types.insert(self.scenarios[scenario].of);
                for column in Column::ALL {
                    let cell = |length| Cell { scenario, operation, column, length };
                    let calls = u32::try_from(self.undisturbed[&(scenario, false)].calls[operation]).unwrap();
                    let calls = if nth_job == 0 { calls } else { 1 };
                    cells.extend((0..calls).map(|nth| cell(Length::Once(nth))));
                    if nth_job == 0 {
                        cells.extend([Length::Twice, Length::TenMinutes].map(cell));
                    }
                    // Which read must show which write differs from job to job, and what the routers are read for.
                    if of_a_new_type || column == Column::Stale || operation == "ListTransitRouters" {
                        cells.push(cell(Length::ForGood));
                    }
                }
            }
        }
        let waits = self.scenarios.iter().position(|scenario| scenario.name == "VPC: payer change").unwrap();
        let (operation, length) = ("DescribeGrantRulesToCen", Length::WhileWaiting);
        cells.extend(Column::ALL.map(|column| Cell { scenario: waits, operation, column, length }));
        cells
    }

    /// Runs cells on all cores.
    fn run(&self, cells: &[Cell]) -> Vec<(Record, Vec<String>)> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(BTreeMap::new());
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let token = self.token();
        std::thread::scope(|threads| {
            for _ in 0..cores {
                threads.spawn(|| {
                    let runtime = runtime();
                    loop {
                        let i = next.fetch_add(1, Ordering::SeqCst);
                        let Some(cell) = cells.get(i) else { return };
                        let (scenario, undisturbed) = (&self.scenarios[cell.scenario], self.undisturbed(cell));
                        let run = || runtime.block_on(cell.run(scenario, undisturbed, &token));
                        match catch_unwind(AssertUnwindSafe(run)) {
                            Ok(ended) => drop(done.lock().unwrap().insert(i, ended)),
                            Err(_) => panic!("{cell:?} in {}", scenario.name),
                        }
                    }
                });
            }
        });
        done.into_inner().unwrap().into_values().collect()
    }
}

/// How jobs end, by what goes wrong.
type Ends<'a> = BTreeMap<Column, BTreeSet<&'a str>>;

/// How the jobs end when a fault lasts for good, as a table for people: one row for each fault, operations that end alike
/// in one column.
fn printed(cells: &[Cell], ended: &[(Record, Vec<String>)]) -> String {
    let mut ends: BTreeMap<&str, Ends<'_>> = BTreeMap::new();
    for (cell, (record, _)) in cells.iter().zip(ended).filter(|(cell, _)| cell.length == Length::ForGood) {
        let word = match (record.state(), record.is_half_done(), cell.column.is_meaningless(cell.operation)) {
            (_, _, true) => "–",
            (State::Completed, ..) => "completes",
            (State::Parked, true, _) => "parks, half done",
            (State::Parked, false, _) => "parks",
            (State::Running, ..) => "waits",
            _ => "ends otherwise",
        };
        ends.entry(cell.operation).or_default().entry(cell.column).or_default().insert(word);
    }
    let mut groups: Vec<(Ends<'_>, Vec<&str>)> = Vec::new();
    for operation in operations().filter(|operation| ends.contains_key(operation)) {
        match groups.iter_mut().find(|(alike, _)| *alike == ends[operation]) {
            Some((_, operations)) => operations.push(operation),
            None => groups.push((ends[operation].clone(), vec![operation])),
        }
    }
    let mut text = String::new();
    for (letter, (_, operations)) in ('A'..).zip(&groups) {
        text += &format!("- **{letter}**: {}\n", operations.join(", "));
    }
    let letters: Vec<String> = ('A'..).take(groups.len()).map(String::from).collect();
    text += &format!("\n| | {} |\n|---|{}\n", letters.join(" | "), "---|".repeat(groups.len()));
    for column in Column::ALL {
        let ends = groups.iter().map(|(ends, _)| ends[&column].iter().copied().collect::<Vec<_>>().join(" or "));
        text += &format!("| {} | {} |\n", column.word(), ends.collect::<Vec<_>>().join(" | "));
    }
    text
}

#[test]
fn every_operation_meets_every_fault_and_comes_to_the_right_end() {
    let table = Table::new();
    let share = table.cells().into_iter().enumerate().filter(|(n, _)| thorough::runs(*n, SHARE));
    let cells: Vec<Cell> = share.map(|(_, cell)| cell).collect();
    let ended = table.run(&cells);
    let mut wrong = Vec::new();
    for (cell, (_, problems)) in cells.iter().zip(&ended) {
        let name = &table.scenarios[cell.scenario].name;
        wrong.extend(problems.iter().map(|problem| {
            format!("{} | {} | {:?} | {name} | {problem}", cell.operation, cell.column.word(), cell.length)
        }));
    }
    assert!(wrong.is_empty(), "{} of {} cells:\n{}", wrong.len(), cells.len(), wrong.join("\n"));
    if thorough::is() {
        in_the_page(&printed(&cells, &ended));
    }
}

/// Compares the table with the one in `docs/reliability.md`; with all cells, `CROSSGRANT_BLESS=1` writes it there.
fn in_the_page(table: &str) {
    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reliability.md");
    const BEGIN: &str = "<!-- faults: written by tests/one_process/fault_table.rs -->\n";
    const END: &str = "<!-- /faults -->\n";
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (there, after) = rest.split_once(END).unwrap();
    if std::env::var("CROSSGRANT_BLESS").is_ok() {
        std::fs::write(PAGE, [before, BEGIN, table, END, after].concat()).unwrap();
        return;
    }
    assert_eq!(there, table, "docs/reliability.md; CROSSGRANT_BLESS=1 writes it anew");
}

#[test]
fn no_operation_is_in_no_row() {
    let table = Table::new();
    let never: BTreeSet<&str> = NEVER_CALLED.iter().map(|(operation, _)| *operation).collect();
    for operation in operations() {
        let called = !table.jobs_with(operation).is_empty();
        assert_ne!(called, never.contains(operation), "{operation} is called by a job, or listed as never called");
    }
}
