//! The rule table of design §4 as a matrix: every type × everything that can be asked × every payer × every standing of
//! the grant × every place of the attachment, under every setting of what the vendor leaves unsaid. Each cell is run by a
//! whole worker, and its events, its findings and the cloud's ledger of writes are held against the rules, which
//! [`rules`] states once more. What was observed is printed into `docs/rules.md`.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock};

use crossgrant::simulator::ParameterSet;

mod asked;
mod cell;
mod page;
mod plan;
mod rules;
mod scene;
mod settings;
mod stage;
mod telling;

use cell::{Cell, Outcome, cells};
use plan::Foretold;
use settings::{Named, Setting, settings};

use crate::support::thorough;

/// A cell under a setting.
struct Case {
    setting: usize,
    cell: Cell,
    observed: Outcome,
    foretold: Option<Foretold>,
}

/// What all cells under all settings showed.
struct Observed {
    settings: Vec<Setting>,
    cases: Vec<Case>,
    asked: BTreeSet<ParameterSet>,
}

/// Everything, run once for all tests: on every core, a setting at a time. A cell that is not run counts as what the rules say of it.
fn observed() -> &'static Observed {
    static OBSERVED: OnceLock<Observed> = OnceLock::new();
    OBSERVED.get_or_init(|| {
        let settings = settings();
        let mut batches: Vec<(usize, Vec<Cell>)> = Vec::new();
        let mut cases = Vec::new();
        for (n, setting) in settings.iter().enumerate() {
            // The first is on the page, and of the others a cell is taken under some, and some cells under each.
            let is_run = |at: usize| n == 0 || setting.named != Named::Owners || thorough::runs(at + n, SHARE);
            let (run, foreseen): (Vec<_>, Vec<_>) =
                cells(setting.places, n == 0).into_iter().enumerate().partition(|(at, _)| is_run(*at));
            let run: Vec<Cell> = run.into_iter().map(|(_, cell)| cell).collect();
            batches.extend(run.chunks(if setting.alone { 1 } else { BATCH }).map(|some| (n, some.to_vec())));
            cases.extend(foreseen.into_iter().map(|(_, cell)| {
                let observed = rules::expect_named(&cell, setting.named, &setting.switches);
                Case { setting: n, cell, observed, foretold: None }
            }));
        }
        let next = Mutex::new(batches.into_iter().rev().collect::<Vec<_>>());
        let (done, asked) = (Mutex::new(cases), Mutex::new(BTreeSet::new()));
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            loop {
                let Some((setting, cells)) = next.lock().unwrap().pop() else { return };
                let shown = runtime.block_on(stage::run(&cells, &settings[setting]));
                let foretold = shown.foretold.into_iter().chain(std::iter::repeat(None));
                let cases = cells.into_iter().zip(shown.outcomes).zip(foretold);
                let case = |((cell, observed), foretold)| Case { setting, cell, observed, foretold };
                done.lock().unwrap().extend(cases.map(case));
                asked.lock().unwrap().extend(shown.asked);
            }
        };
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(run))));
        let mut cases = done.into_inner().unwrap();
        cases.sort_by_key(|case| (case.setting, case.cell.order()));
        Observed { settings, cases, asked: asked.into_inner().unwrap() }
    })
}

/// How many cells share a worker, and how many wrong ones are shown at most.
const BATCH: usize = 120;
const SHOWN: usize = 200;
/// Of how many cells `make test` runs one, under every setting but the first.
const SHARE: usize = 4;

#[test]
fn every_cell_is_as_the_rules_say_under_every_setting() {
    let Observed { settings, cases, .. } = observed();
    let mut wrong = Vec::new();
    for case in cases {
        let setting = &settings[case.setting];
        let expected = rules::expect_named(&case.cell, setting.named, &setting.switches);
        if !case.observed.is(&expected) {
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
fn a_plan_of_every_cell_foretells_what_carrying_it_out_does() {
    let Observed { settings, cases, .. } = observed();
    let planned = cases.iter().filter_map(|case| Some((case, case.foretold.as_ref()?)));
    let wrong: Vec<String> = planned
        .filter_map(|(case, foretold)| {
            let setting = &settings[case.setting];
            let unforeseen = rules::is_refused_unforeseen(&case.cell, &setting.switches)
                || rules::is_found_out_by_the_write(&case.cell, setting.named)
                || case.cell.is_asked_of_the_cloud() && foretold.writes.len() == 1;
            let why = plan::difference(foretold, &case.observed, unforeseen)?;
            Some(format!("{}: {}: {why}", settings[case.setting].name, page::label(&case.cell)))
        })
        .collect();
    let shown = wrong.len().min(SHOWN);
    assert!(wrong.is_empty(), "{} plans are wrong:\n{}", wrong.len(), wrong[..shown].join("\n"));
}

#[test]
fn the_cloud_is_asked_with_parameters_that_its_pages_offer_and_with_no_others() {
    asked::check(&observed().asked);
}

#[test]
fn the_page_of_the_rules_is_what_was_observed() {
    let Observed { settings, cases, .. } = observed();
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
