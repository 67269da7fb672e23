//! What tests share.

use std::path::Path;
use std::sync::{Arc, Mutex};

pub mod additive;
pub mod apsaramq;
pub mod bad_messages;
pub mod clock_set;
pub mod cloud;
pub mod collector;
pub mod conformance;
pub mod crash_script;
pub mod crew;
pub mod dice;
pub mod idle;
pub mod mailbox;
pub mod outbox;
pub mod plant;
pub mod postgres;
pub mod process;
pub mod rabbit;
pub mod raw_amqp;
pub mod receiver;
pub mod schemas;
pub mod site;
pub mod stepping;
pub mod terminal;
pub mod thorough;
pub mod web;

use rabbit::Rabbit;

/// Where test nodes keep their files.
pub fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The program.
pub fn crossgrant() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_crossgrant"))
}

/// The node that tests share, each under names of its own. It ends with this process.
pub fn shared_rabbit() -> Arc<Rabbit> {
    static SHARED: Mutex<Option<Arc<Rabbit>>> = Mutex::new(None);
    let mut shared = SHARED.lock().unwrap_or_else(|e| e.into_inner());
    Arc::clone(shared.get_or_insert_with(|| Arc::new(Rabbit::start(scratch()).unwrap())))
}
