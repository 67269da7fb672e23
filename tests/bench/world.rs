//! The simulated world of a workload: networks of one account on CENs of many owners, and jobs for them.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::json;

/// The account that owns every network.
pub const RESOURCE: &str = "1688000000000001";
/// CENs, each with an owner of its own.
pub const CENS: usize = 50;

/// What a network is like before its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Not granted.
    New,
    /// Granted, its CEN's owner pays, and not attached.
    Granted,
    /// Granted, its CEN's owner pays, and attached.
    Attached,
    /// The same, and its own account pays from the top of the hour on.
    Changing,
}

/// The names of what a job is about.
pub struct Names {
    pub instance: String,
    pub attachment: String,
    pub router: String,
    pub cen: String,
    pub owner: String,
}

/// The names of network `n`.
pub fn names(n: usize) -> Names {
    Names {
        instance: format!("vpc-bench{n:012}"),
        attachment: format!("tr-attach-bench{n:012}"),
        router: format!("tr-bench{:012}", n % CENS),
        cen: format!("cen-bench{:012}", n % CENS),
        owner: owner(n % CENS),
    }
}

/// The uid of the account that owns a CEN.
pub fn owner(n: usize) -> String {
    format!("12501234567{n:05}")
}

/// The world file, with the networks of those numbers.
pub fn file(networks: &[(Network, Range<usize>)]) -> String {
    let mut text = String::with_capacity(networks.iter().map(|(_, numbers)| numbers.len() * 480).sum());
    let mut add = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("a string takes everything");
    let key =
        |uid: &str| format!("\n[[accounts]]\nuid = \"{uid}\"\nkeys = [{{ id = \"key-{uid}\", secret = \"s\" }}]\n");
    add(format_args!("{}", key(RESOURCE)));
    for n in 0..CENS {
        let Names { cen, owner, router, .. } = names(n);
        add(format_args!("{}", key(&owner)));
        let router = format!("{{ id = \"{router}\", region = \"cn-hangzhou\", type = \"Enterprise\" }}");
        add(format_args!("\n[[cens]]\nid = \"{cen}\"\nowner = \"{owner}\"\ntransit_routers = [{router}]\n"));
    }
    for (like, n) in networks.iter().flat_map(|(like, numbers)| numbers.clone().map(move |n| (*like, n))) {
        let Names { instance, attachment, router, cen, .. } = names(n);
        add(format_args!(
            "\n[[instances]]\ntype = \"VPC\"\nid = \"{instance}\"\nregion = \"cn-hangzhou\"\nowner = \"{RESOURCE}\"\n"
        ));
        let pays = match like {
            Network::New => continue,
            Network::Granted | Network::Attached => "order_type = \"PayByCenOwner\"",
            Network::Changing => "order_type = \"PayByResourceOwner\"\neffective_order_type = \"PayByCenOwner\"",
        };
        add(format_args!("\n[[grants]]\ncen = \"{cen}\"\ninstance = \"{instance}\"\n{pays}\n"));
        if like == Network::Granted {
            continue;
        }
        add(format_args!(
            "\n[[attachments]]\nid = \"{attachment}\"\ntransit_router = \"{router}\"\ninstance = \"{instance}\"\n"
        ));
    }
    add(format_args!("\n[switches]\nattachment_delay = \"0s\"\n"));
    text
}

/// What the job for network `n` is called by who asks for it.
pub fn job_id(n: usize) -> String {
    format!("B-{n}")
}

/// The job for network `n`.
pub fn job(kind: &str, n: usize, not_before: Option<&str>) -> String {
    let Names { instance, cen, owner, .. } = names(n);
    let mut job = json!({
        "id": job_id(n),
        "kind": kind,
        "instance": {"type": "VPC", "id": instance, "region": "cn-hangzhou", "owner": RESOURCE},
        "cen": {"id": cen, "owner": owner},
    });
    if kind == "payer-change" {
        job["order_type"] = "PayByResourceOwner".into();
    }
    if let Some(at) = not_before {
        job["not_before"] = at.into();
    }
    job.to_string()
}
