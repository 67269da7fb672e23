//! The jobs of a run: a quarter each of grants, revokes, payer changes of attached VPCs and of VPCs that are not, each on
//! a VPC of its own, and what each must have done to the cloud.

use std::ops::Range;

use super::requester::Message;
use crate::bench::world::{self, Network};

/// The kinds in turn.
const KINDS: [Kind; 4] = [Kind::Grant, Kind::Revoke, Kind::Attached, Kind::Unattached];

/// What one job asks for.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Grant,
    Revoke,
    /// A payer change of an attached VPC.
    Attached,
    /// A payer change of a VPC that is granted and not attached.
    Unattached,
}

/// All jobs of a run, numbered from 0.
pub struct Work {
    /// How many there are of each kind.
    each: usize,
}

impl Work {
    /// At least so many.
    pub fn of(jobs: usize) -> Self {
        Self { each: jobs.div_ceil(KINDS.len()) }
    }

    pub fn len(&self) -> usize {
        self.each * KINDS.len()
    }

    /// The world before any of them.
    pub fn world(&self) -> String {
        let of = |first: usize, last: usize| -> Range<usize> { first * self.each..(last + 1) * self.each };
        world::file(&[
            (Network::New, of(0, 0)),
            (Network::Granted, of(1, 1)),
            (Network::Attached, of(2, 2)),
            (Network::Granted, of(3, 3)),
        ])
    }

    /// The message that asks for job `n`.
    pub fn message(&self, n: usize) -> Message {
        let kind = match self.kind(n) {
            Kind::Grant => "grant",
            Kind::Revoke => "revoke",
            Kind::Attached | Kind::Unattached => "payer-change",
        };
        Message { routing_key: format!("job.{kind}"), body: world::job(kind, self.network(n), None) }
    }

    /// The id of job `n`.
    pub fn id(&self, n: usize) -> String {
        world::job_id(self.network(n))
    }

    /// The instance of job `n`.
    pub fn instance(&self, n: usize) -> String {
        world::names(self.network(n)).instance
    }

    /// The effects that job `n` must have had, in alphabetical order; `hour` for a payer that took effect.
    pub fn effects(&self, n: usize) -> &'static [&'static str] {
        match self.kind(n) {
            Kind::Grant => &["GrantInstanceToTransitRouter"],
            Kind::Revoke => &["RevokeInstanceFromTransitRouter"],
            Kind::Attached => {
                &["ModifyGrantInstanceToTransitRouter", "UpdateTransitRouterVpcAttachmentAttribute", "hour"]
            }
            Kind::Unattached => &["GrantInstanceToTransitRouter", "RevokeInstanceFromTransitRouter"],
        }
    }

    fn kind(&self, n: usize) -> Kind {
        KINDS[n % KINDS.len()]
    }

    fn network(&self, n: usize) -> usize {
        (n % KINDS.len()) * self.each + n / KINDS.len()
    }
}
