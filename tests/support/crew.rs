//! Who works at a site: one worker with a file of its own, or two that share a database. What is promised is promised of
//! both.

use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crossgrant::clock::{Clock as _, SystemClock};

use super::postgres::{Cluster, Database};
use super::process::LIMIT;
use super::rabbit::Rabbit;
use super::site::{Options, Site, Worker};

/// A request that is held outlasts what a test does meanwhile, and a lease is not waited for too long.
const TIMING: &str = r#"
request-timeout = "3s"
lease = "9s"
settle = "2s"
settle-poll = "200ms"
attachments-recheck = "500ms"
"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crew {
    Alone,
    Two,
}

/// Makes a test of each function for one worker and for two.
macro_rules! for_one_and_two {
    ($($promise:ident),+ $(,)?) => {
        mod alone {
            $(#[test]
            fn $promise() {
                super::$promise($crate::support::crew::Crew::Alone);
            })+
        }

        mod two {
            $(#[test]
            fn $promise() {
                super::$promise($crate::support::crew::Crew::Two);
            })+
        }
    };
}
pub(crate) use for_one_and_two;

impl Crew {
    /// A site for them.
    pub fn site(self, program: &Path, scratch: &Path, rabbit: Arc<Rabbit>, options: Options<'_>) -> Place {
        match self {
            Self::Alone => Place { site: Site::new(program, scratch, rabbit, &options), database: None },
            Self::Two => {
                let database = Cluster::shared().database();
                let options = Options { database: Some(&database), timing: TIMING, ..options };
                Place { site: Site::new(program, scratch, rabbit, &options), database: Some(database) }
            }
        }
    }
}

/// A site, and the database if there is one.
pub struct Place {
    site: Site,
    database: Option<Database>,
}

impl Deref for Place {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Place {
    /// Starts who works here, and waits until they can.
    pub fn staff(&self) -> Staff<'_> {
        let mut workers = vec![self.site.worker()];
        if self.database.is_some() {
            workers.push(self.site.colleague("colleague"));
        }
        Staff { place: self, workers }
    }
}

/// The workers of a place.
pub struct Staff<'a> {
    place: &'a Place,
    workers: Vec<Worker>,
}

impl Staff<'_> {
    /// One of them, to ask.
    pub fn one(&self) -> &Worker {
        &self.workers[0]
    }

    /// All of them.
    pub fn all(&self) -> &[Worker] {
        &self.workers
    }

    /// Kills the worker that has a job in work, or if there is none, some worker.
    pub fn kill_one(&mut self) {
        let colleague = self.place.database.as_ref().is_some_and(|database| holder(database) == "colleague");
        self.workers.remove(usize::from(colleague)).process.kill9();
    }

    /// Tells them all to stop, and waits until they have, in good order and within `limit` of being told.
    pub fn stop_all(&mut self, limit: Duration) {
        let told = SystemClock.uptime();
        for worker in &self.workers {
            worker.process.terminate();
        }
        for worker in self.workers.drain(..) {
            let status = worker.process.end(LIMIT).expect("it stops");
            let took = SystemClock.uptime().saturating_sub(told);
            println!("stopped after {took:?}, {status}");
            assert!(status.success(), "{status}");
            assert!(took < limit, "{took:?}");
        }
    }

    /// Kills them all.
    pub fn kill_all(&mut self) {
        for worker in self.workers.drain(..) {
            worker.process.kill9();
        }
    }

    /// Somebody goes on with what those who were killed had: who is left, when its leases are over, or the same started
    /// again.
    pub fn goes_on(&mut self) -> &Worker {
        if self.workers.is_empty() {
            *self = self.place.staff();
        }
        self.one()
    }
}

/// Who has a lease.
pub fn holder(database: &Database) -> String {
    let query = "SELECT lease_holder FROM crossgrant.jobs WHERE lease_holder IS NOT NULL LIMIT 1";
    let output = Command::new("psql").args(["-AtX", &database.url(), "-c", query]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(output.stdout.trim_ascii()).into_owned()
}
