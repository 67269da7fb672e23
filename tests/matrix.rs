//! The rule table of design §4 as a matrix: every type × everything that can be asked × every payer × every standing of
//! the grant × every place of the attachment, under every setting of what the vendor leaves unsaid. Each cell is run by a
//! whole worker, and its events, its findings and the cloud's ledger of writes are held against the rules, which
//! [`rules`] states once more. What was observed is printed into `docs/rules.md`.

use std::sync::{Mutex, OnceLock};

mod cell;
mod page;
mod rules;
mod scene;
mod settings;

use cell::{Cell, Outcome, cells};
use settings::{Setting, settings};

/// A cell under a setting.
struct Case {
    setting: usize,
    cell: Cell,
    observed: Outcome,
}

/// Everything, run once for all tests: on every core, a setting at a time.
fn observed() -> &'static (Vec<Setting>, Vec<Case>) {
    static OBSERVED: OnceLock<(Vec<Setting>, Vec<Case>)> = OnceLock::new();
    OBSERVED.get_or_init(|| {
        let settings = settings();
        let mut batches: Vec<(usize, Vec<Cell>)> = Vec::new();
        for (n, setting) in settings.iter().enumerate() {
            let (cells, batch) = (cells(setting.places, n == 0), if setting.alone { 1 } else { BATCH });
            batches.extend(cells.chunks(batch).map(|some| (n, some.to_vec())));
        }
        let next = Mutex::new(batches.into_iter().rev().collect::<Vec<_>>());
        let done = Mutex::new(Vec::new());
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            loop {
                let Some((setting, cells)) = next.lock().unwrap().pop() else { return };
                let outcomes = runtime.block_on(scene::run(&cells, &settings[setting]));
                let cases = cells.into_iter().zip(outcomes);
                done.lock().unwrap().extend(cases.map(|(cell, observed)| Case { setting, cell, observed }));
            }
        };
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(run))));
        let mut cases = done.into_inner().unwrap();
        cases.sort_by_key(|case| (case.setting, case.cell.order()));
        (settings, cases)
    })
}

/// How many cells share a worker, and how many wrong ones are shown at most.
const BATCH: usize = 120;
const SHOWN: usize = 200;

#[test]
fn every_cell_is_as_the_rules_say_under_every_setting() {
    let (settings, cases) = observed();
    let mut wrong = Vec::new();
    for case in cases {
        let setting = &settings[case.setting];
        let expected = rules::expect(&case.cell, &setting.switches);
        if expected != case.observed {
            wrong.push(format!(
                "| {} | {} | {} | {} |",
                setting.name,
                page::label(&case.cell),
                page::full(&expected),
                page::full(&case.observed)
            ));
        }
    }
    let shown = wrong.len().min(SHOWN);
    let head = "| setting | cell | by the rules | observed |\n|---|---|---|---|";
    assert!(
        wrong.is_empty(),
        "{} of {} cells are wrong:\n{head}\n{}",
        wrong.len(),
        cases.len(),
        wrong[..shown].join("\n")
    );
}

#[test]
fn the_page_of_the_rules_is_what_was_observed() {
    let (settings, cases) = observed();
    let page = page::page(settings, cases);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md");
    if std::env::var_os("CROSSGRANT_BLESS").is_some() {
        std::fs::write(path, page).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let line = committed.lines().zip(page.lines()).find(|(is, should)| is != should);
    assert!(
        committed == page,
        "docs/rules.md is not what was observed; first {line:?}. See the difference and, if it is meant, write it anew: \
         CROSSGRANT_BLESS=1 cargo test --test promises matrix::"
    );
}
