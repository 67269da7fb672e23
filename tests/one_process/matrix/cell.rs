//! The cells: what is asked, of what, and how it stands when the job comes.

use crossgrant::domain::{InstanceType, OrderType};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asks {
    Grant,
    Revoke,
    /// With `options.attachments = "delete"`.
    RevokeDeleting,
    PayerChange,
}

impl Asks {
    pub const ALL: [Self; 4] = [Self::Grant, Self::Revoke, Self::RevokeDeleting, Self::PayerChange];

    pub fn name(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Revoke => "revoke",
            Self::RevokeDeleting => "revoke, deleting attachments",
            Self::PayerChange => "payer-change",
        }
    }

    pub fn kind(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Revoke | Self::RevokeDeleting => "revoke",
            Self::PayerChange => "payer-change",
        }
    }
}

/// Whether it is granted, and with whose payer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Granted {
    No,
    /// With the payer asked for; where none is asked for, with the cloud's default.
    Same,
    Other,
}

impl Granted {
    pub const ALL: [Self; 3] = [Self::No, Self::Same, Self::Other];

    pub fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Same => "with the payer asked for",
            Self::Other => "with the other payer",
        }
    }
}

/// Where it is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Unattached,
    Attached,
    /// Busy, and attached when that is over.
    Attaching,
    /// Busy in another way, and attached when that is over.
    Modifying,
    /// Busy, and attached no more when that is over.
    Detaching,
    /// To two transit routers of the CEN.
    Twice,
    /// To a transit router of the Basic Edition.
    Basic,
    /// In another CEN of the same account, and not in this one.
    Elsewhere,
    /// Unattached, and the payer on the grant is not yet in force.
    Pending,
    /// Attached, and the payer on both sides is not yet in force.
    AttachedPending,
    /// Attached, and somebody has changed the payer on the grant alone.
    AttachedHalf,
}

impl Place {
    pub const ALL: [Self; 11] = [
        Self::Unattached,
        Self::Attached,
        Self::Attaching,
        Self::Modifying,
        Self::Detaching,
        Self::Twice,
        Self::Basic,
        Self::Elsewhere,
        Self::Pending,
        Self::AttachedPending,
        Self::AttachedHalf,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Unattached => "no",
            Self::Attached => "yes",
            Self::Attaching => "attaching",
            Self::Modifying => "being modified",
            Self::Detaching => "detaching",
            Self::Twice => "twice",
            Self::Basic => "Basic Edition",
            Self::Elsewhere => "in another CEN",
            Self::Pending => "no, its payer pending",
            Self::AttachedPending => "yes, its payer pending",
            Self::AttachedHalf => "yes, its payer half changed",
        }
    }

    /// The places that are about a payer; without a grant there is none to be about.
    fn needs_grant(self) -> bool {
        matches!(self, Self::Pending | Self::AttachedPending | Self::AttachedHalf)
    }

    /// The status of each attachment in the CEN.
    pub fn attachments(self) -> &'static [&'static str] {
        match self {
            Self::Unattached | Self::Elsewhere | Self::Pending => &[],
            Self::Attached | Self::Basic | Self::AttachedPending | Self::AttachedHalf => &["Attached"],
            Self::Attaching => &["Attaching"],
            Self::Modifying => &["Modifying"],
            Self::Detaching => &["Detaching"],
            Self::Twice => &["Attached", "Attached"],
        }
    }
}

/// One cell of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub of: InstanceType,
    pub asks: Asks,
    /// The payer asked for.
    pub payer: Option<OrderType>,
    pub granted: Granted,
    pub place: Place,
}

/// In the order of design §4.
pub const TYPES: [InstanceType; 5] =
    [InstanceType::VPC, InstanceType::VBR, InstanceType::VPN, InstanceType::ECR, InstanceType::CCN];
pub const PAYERS: [Option<OrderType>; 3] = [None, Some(OrderType::PayByCenOwner), Some(OrderType::PayByResourceOwner)];

/// Every cell at these places. A grant without a payer is one with the default, which the contract sees to: `defaults`
/// says whether those of the types that have a payer are among them.
pub fn cells(places: &[Place], defaults: bool) -> Vec<Cell> {
    let mut all = Vec::new();
    for of in TYPES {
        for asks in Asks::ALL {
            let default = |payer: &Option<OrderType>| payer.is_none() && asks == Asks::Grant && of != InstanceType::CCN;
            for payer in PAYERS.into_iter().filter(|payer| defaults || !default(payer)) {
                for granted in Granted::ALL {
                    let there = places.iter().filter(|place| granted != Granted::No || !place.needs_grant());
                    all.extend(there.map(|&place| Cell { of, asks, payer, granted, place }));
                }
            }
        }
    }
    all
}

impl Cell {
    /// Its place among all cells.
    pub fn order(&self) -> impl Ord + use<> {
        (TYPES.iter().position(|of| *of == self.of), self.asks, self.payer, self.granted, self.place)
    }

    /// Whether a revoke has to be sent to know that there is nothing to revoke: the account of the CEN may be shown no rule of
    /// an ECR at all, and that of the job need not be its owner (API §H2).
    pub fn is_asked_of_the_cloud(&self) -> bool {
        let revokes = matches!(self.asks, Asks::Revoke | Asks::RevokeDeleting);
        revokes && self.of == InstanceType::ECR && self.granted == Granted::No
    }

    /// The payer to arrive at. The cloud's default, where none is asked for; a CCN has none (API §A.1, §A.6).
    pub fn goal(&self) -> Option<OrderType> {
        let default = (self.of != InstanceType::CCN).then_some(OrderType::PayByCenOwner);
        self.payer.or(default)
    }

    /// The payer on the grant. That of a CCN has none, so it is granted with the payer asked for, or cannot be.
    pub fn on_grant(&self) -> Option<OrderType> {
        match self.granted {
            Granted::No => None,
            Granted::Same => self.goal(),
            Granted::Other => Some(other(self.goal().unwrap_or(OrderType::PayByResourceOwner))),
        }
    }

    /// The payer billing uses.
    pub fn in_force(&self) -> Option<OrderType> {
        match self.place {
            Place::Pending | Place::AttachedPending | Place::AttachedHalf => Some(self.changed()),
            _ => self.on_grant(),
        }
    }

    /// The payer on the attachments.
    pub fn on_attachments(&self) -> Option<OrderType> {
        match self.place {
            Place::AttachedHalf => Some(self.changed()),
            _ => self.on_grant(),
        }
    }

    /// The payer from before the one on the grant.
    fn changed(&self) -> OrderType {
        other(self.on_grant().unwrap_or(OrderType::PayByCenOwner))
    }
}

fn other(payer: OrderType) -> OrderType {
    match payer {
        OrderType::PayByCenOwner => OrderType::PayByResourceOwner,
        OrderType::PayByResourceOwner => OrderType::PayByCenOwner,
    }
}

/// What became of a cell. Names of things are those of their part in it, so that cells can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No job: the contract refuses the message, at these JSON Pointers.
    Refused(Vec<String>),
    /// No world: the cloud cannot be brought to where the cell begins.
    Impossible(String),
    Ran(Ran),
}

impl Outcome {
    /// Whether it is what is expected; a finding may be expected without its words.
    pub fn is(&self, expected: &Self) -> bool {
        match (self, expected) {
            (Self::Ran(is), Self::Ran(expected)) if expected.findings == [super::rules::SOMETHING] => {
                let findings = expected.findings.clone();
                !is.findings.is_empty() && Ran { findings, ..is.clone() } == *expected
            }
            _ => self == expected,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// Every event after the first: its type, and the reason or the hour it waits for.
    pub said: Vec<String>,
    /// The findings of the last one.
    pub findings: Vec<String>,
    /// The CENs that an `already-absent` names.
    pub granted_to: Vec<String>,
    /// The ledger of the cloud: operation, account, resource and payer of every write, in order.
    pub writes: Vec<String>,
    /// What contradicts itself: an event that names other writes than the ledger, a completion that the cloud does not
    /// show.
    pub odd: Vec<String>,
}
