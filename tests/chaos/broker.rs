//! The broker of a run: one node, or a cluster of them whose leader is struck.

use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::victim::Victim;
use super::wanted::Wanted;
use crate::support::rabbit::Rabbit;

/// One node or several.
pub struct Broker {
    nodes: Vec<Rabbit>,
    /// The queue whose leader is struck.
    queue: String,
    /// The place of the node that was struck last.
    struck: Mutex<usize>,
}

impl Broker {
    /// Starts the nodes, whose files are in `dir`.
    pub fn start(wanted: &Wanted, dir: &Path, queue: String) -> Result<Self> {
        let first = match &wanted.rabbit {
            Some(bin) => Rabbit::start_from(bin, dir)?,
            None => Rabbit::start(dir)?,
        };
        let mut nodes = vec![first];
        while nodes.len() < wanted.nodes {
            nodes.push(nodes[0].join(dir)?);
        }
        Ok(Self { nodes, queue, struck: Mutex::new(0) })
    }

    /// Where its nodes are.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Rabbit::amqp_url).collect()
    }

    /// The version that it says it is.
    pub fn version(&self) -> Result<String> {
        Ok(self.nodes[0].ctl(&["version"])?.trim().to_owned())
    }

    /// Has every node save its queues, after they were declared.
    pub fn remember_queues(&self) -> Result<()> {
        self.nodes.iter().try_for_each(|node| Ok(node.remember_queues()?))
    }

    fn struck(&self) -> &Rabbit {
        &self.nodes[*self.struck.lock().unwrap()]
    }

    /// Finds the node to strike: the one that leads the queue.
    fn aim(&self) -> Result<&Rabbit> {
        if self.nodes.len() > 1 {
            let listed = self.nodes[0].ctl(&["list_queues", "--quiet", "--no-table-headers", "name", "leader"])?;
            let of =
                |line: &str| Some(line.split_once('\t')?.1.trim().to_owned()).filter(|_| line.starts_with(&self.queue));
            let leader = listed.lines().find_map(of).context("the queue of jobs is not listed")?;
            // While it is being elected there is none; then the one before is struck again.
            if let Some(place) = self.nodes.iter().position(|node| node.name() == leader) {
                *self.struck.lock().unwrap() = place;
            }
        }
        Ok(self.struck())
    }
}

impl Victim for Broker {
    fn name(&self) -> &'static str {
        "broker"
    }

    fn quiet(&self) -> Range<Duration> {
        Duration::from_secs(8)..Duration::from_secs(24)
    }

    fn kill9(&self) -> Result<()> {
        self.aim()?.kill9();
        Ok(())
    }

    fn start(&self) -> Result<()> {
        Ok(self.struck().restart()?)
    }

    fn suspend(&self) -> Result<()> {
        Ok(self.aim()?.suspend()?)
    }

    fn wake(&self) -> Result<()> {
        Ok(self.struck().wake()?)
    }
}
