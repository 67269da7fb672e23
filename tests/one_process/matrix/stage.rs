//! Runs cells: each is an instance and a CEN of its own in one simulated cloud, with one worker for all, so that no list
//! shows one cell the attachments of another.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use crossgrant::domain::InstanceId;
use crossgrant::engine::ports::mail::Incoming;
use crossgrant::engine::ports::store::Taken;
use crossgrant::simulator::{CallCount, LedgerEntry, ParameterSet, World};
use crossgrant::store::Sqlite;
use crossgrant::workflow::{Overrides, OverridingFile};
use serde_json::{Value, json};

use super::cell::{Cell, Outcome};
use super::plan::Foretold;
use super::scene::{Scene, accounts};
use super::settings::{DEFAULT, Named, Setting};
use super::telling::NAMES;
use crate::support::plant::{self, Plant};

/// Less patience than the embedded policies have: what parks, parks soon. Nothing that is to end by itself takes longer.
const PATIENCE: &str = "[retry.read]\ngive-up = \"20m\"\n[retry.write]\ngive-up = \"20m\"\n\
                        [timing]\noverdue-after = \"1h\"\ngive-up-after = \"2h\"\n";

/// What came of cells under a setting.
pub struct Shown {
    /// What becomes of each, in their order.
    pub outcomes: Vec<Outcome>,
    /// What is foretold of each; `None` where there is no job.
    pub foretold: Vec<Option<Foretold>>,
    /// The parameters that operations were asked with.
    pub asked: BTreeSet<ParameterSet>,
}

/// Runs the cells under a setting, and in a world of their own as plans, unless every write is sent twice, which is
/// nothing to a plan.
pub async fn run(cells: &[Cell], setting: &Setting) -> Shown {
    let mut stage = Stage::new(cells, setting, "apply").await;
    let outcomes = stage.outcomes(cells, setting).await;
    let mut asked = stage.plant.cloud.parameter_sets();
    let foretold = if setting.twice {
        vec![]
    } else {
        let mut stage = Stage::new(cells, setting, "plan").await;
        let foretold = stage.foretold().await;
        asked.extend(stage.plant.cloud.parameter_sets());
        foretold
    };
    Shown { outcomes, foretold, asked }
}

/// A cloud with the cells in it, and a worker that has their jobs.
struct Stage {
    scenes: Vec<Scene>,
    /// The cells without a job.
    without: Vec<Option<Outcome>>,
    plant: Plant,
    /// What became of the messages of the others, in their order.
    taken: Vec<Taken>,
}

impl Stage {
    async fn new(cells: &[Cell], setting: &Setting, mode: &str) -> Self {
        let scenes: Vec<Scene> = cells.iter().enumerate().map(|(n, cell)| Scene::of(*cell, n)).collect();
        let mut world = accounts();
        let mut without: Vec<Option<Outcome>> = Vec::new();
        for scene in &scenes {
            let mut alone = accounts();
            scene.add_to(&mut alone);
            match World::try_from(alone) {
                Ok(_) => {
                    scene.add_to(&mut world);
                    without.push(None);
                }
                Err(bad) => without.push(Some(scene.without_world(&bad.reason))),
            }
        }
        world.switches = setting.switches.clone();
        if let Some(which) = setting.empty {
            world.faults.extend(scenes.iter().flat_map(|scene| scene.empty_lists(which)));
        }
        let overrides = Overrides {
            policies: Some(OverridingFile { file: "patience.toml".into(), text: PATIENCE.into() }),
            errors: None,
        };
        let store = Arc::new(Sqlite::in_memory().unwrap());
        let plant = Plant::in_world(World::try_from(world).unwrap(), store, None, plant::catalog(&overrides)).await;
        if setting.twice {
            plant.script.every_write_twice();
        }
        let possible = scenes.iter().zip(&without).filter(|(_, outcome)| outcome.is_none());
        let mail = possible.map(|(scene, _)| {
            let mut job = scene.job();
            match setting.named {
                Named::Owners => {}
                Named::AnotherForTheCen => job["cen"]["owner"] = json!(plant::STRANGER),
                Named::AnotherForTheInstance => job["instance"]["owner"] = json!(plant::STRANGER),
            }
            job["mode"] = json!(mode);
            Incoming {
                body: Bytes::from(job.to_string()),
                routing_key: "crossgrant.jobs".into(),
                ..Incoming::default()
            }
        });
        let taken = plant.inbox.accept(mail.collect()).await.unwrap();
        plant.run_until("2026-11-21T15:30:00Z".parse().unwrap()).await;
        Self { scenes, without, plant, taken }
    }

    /// What becomes of each cell.
    async fn outcomes(&mut self, cells: &[Cell], setting: &Setting) -> Vec<Outcome> {
        let plant = &self.plant;
        let mut taken = self.taken.iter();
        let mut ledger = by_instance(plant.cloud.ledger());
        let state = plant.cloud.state();
        let grants = index(&state["grants"]);
        for (scene, outcome) in self.scenes.iter().zip(&mut self.without).filter(|(_, outcome)| outcome.is_none()) {
            let taken = taken.next().unwrap();
            let entries = ledger.remove(&scene.instance.id).unwrap_or_default();
            let grant = grants.get(&(scene.cen.as_str(), scene.instance.id.as_str())).copied();
            let mut ended = scene.outcome(plant, *taken, &entries, grant).await;
            // What is sent twice behind the engine's back has an answer that it never saw, and what is accepted may change nothing.
            if let (Outcome::Ran(ran), true) = (&mut ended, setting.twice || scene.cell.is_asked_of_the_cloud()) {
                ran.odd.retain(|odd| !odd.starts_with(NAMES));
            }
            *outcome = Some(ended);
        }
        let mut outcomes: Vec<Outcome> = std::mem::take(&mut self.without).into_iter().flatten().collect();
        // Every operation is called by the account that owns it, and spelled as it wants to be: by default, none is refused.
        if setting.name == DEFAULT
            && let Some(Outcome::Ran(ran)) = outcomes.iter_mut().find(|outcome| matches!(outcome, Outcome::Ran(_)))
        {
            // Whether an ECR is granted whose grant no account is shown, the cloud alone can tell.
            let asked = cells.iter().any(Cell::is_asked_of_the_cloud);
            let told = |count: &CallCount| asked && count.code == "OperationFailed.GrantCrossAccountNotExist";
            let refused = plant.cloud.counts().into_iter().filter(|count| count.code != "OK" && !told(count));
            ran.odd.extend(
                refused.map(|count| format!("here or with a later cell: {} got {}", count.operation, count.code)),
            );
        }
        outcomes
    }

    /// What is foretold of each cell.
    async fn foretold(&mut self) -> Vec<Option<Foretold>> {
        assert_eq!(self.plant.effects(), Vec::<String>::new(), "a plan writes nothing");
        let mut taken = self.taken.iter();
        let mut all = Vec::new();
        for (scene, outcome) in self.scenes.iter().zip(&self.without) {
            let job = outcome.is_none().then(|| taken.next().unwrap());
            all.push(match job {
                Some(Taken::New(uid)) => Some(scene.foretold(&self.plant, *uid).await),
                _ => None,
            });
        }
        all
    }
}

fn by_instance(ledger: Vec<LedgerEntry>) -> HashMap<InstanceId, Vec<LedgerEntry>> {
    let mut all: HashMap<InstanceId, Vec<LedgerEntry>> = HashMap::new();
    for entry in ledger.into_iter().filter(|entry| entry.operation != "hour") {
        let instance = entry.effect.instance.clone().expect("every write of the matrix is about an instance");
        all.entry(instance).or_default().push(entry);
    }
    all
}

/// The grants of the cloud by CEN and instance.
fn index(grants: &Value) -> HashMap<(&str, &str), &Value> {
    let grants = grants.as_array().unwrap().iter();
    grants.map(|grant| ((grant["cen"].as_str().unwrap(), grant["instance"].as_str().unwrap()), grant)).collect()
}
