//! The simulated world of a workload: networks of one account on CENs of many owners, and jobs for them.

use std::fmt::Write as _;

use serde_json::json;

/// The account that owns every network.
pub const RESOURCE: &str = "1688000000000001";
/// CENs, each with an owner of its own.
pub const CENS: usize = 50;

/// What a network is like before its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Granted to nobody.
    New,
    /// Granted, its CEN's owner pays, and attached.
    Attached,
}

fn instance(n: usize) -> String {
    format!("vpc-bench{n:012}")
}

fn cen(n: usize) -> (String, String) {
    (format!("cen-bench{:012}", n % CENS), owner(n % CENS))
}

/// The uid of the account that owns a CEN.
pub fn owner(n: usize) -> String {
    format!("12501234567{n:05}")
}

/// The world file.
pub fn file(networks: usize, like: Network) -> String {
    let mut text = String::with_capacity(networks * 320);
    let mut add = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("a string takes everything");
    let key =
        |uid: &str| format!("\n[[accounts]]\nuid = \"{uid}\"\nkeys = [{{ id = \"key-{uid}\", secret = \"s\" }}]\n");
    add(format_args!("{}", key(RESOURCE)));
    for n in 0..CENS {
        let (cen, owner) = cen(n);
        add(format_args!("{}", key(&owner)));
        let router = format!("{{ id = \"tr-bench{n:012}\", region = \"cn-hangzhou\", type = \"Enterprise\" }}");
        add(format_args!("\n[[cens]]\nid = \"{cen}\"\nowner = \"{owner}\"\ntransit_routers = [{router}]\n"));
    }
    for n in 0..networks {
        let (id, (cen, _)) = (instance(n), cen(n));
        add(format_args!(
            "\n[[instances]]\ntype = \"VPC\"\nid = \"{id}\"\nregion = \"cn-hangzhou\"\nowner = \"{RESOURCE}\"\n"
        ));
        if like == Network::Attached {
            add(format_args!("\n[[grants]]\ncen = \"{cen}\"\ninstance = \"{id}\"\norder_type = \"PayByCenOwner\"\n"));
            let router = format!("tr-bench{:012}", n % CENS);
            add(format_args!(
                "\n[[attachments]]\nid = \"tr-attach-bench{n:012}\"\ntransit_router = \"{router}\"\ninstance = \"{id}\"\n"
            ));
        }
    }
    add(format_args!("\n[switches]\nattachment_delay = \"0s\"\n"));
    text
}

/// The job for network `n`.
pub fn job(kind: &str, n: usize, not_before: Option<&str>) -> String {
    let (cen, owner) = cen(n);
    let mut job = json!({
        "id": format!("B-{n}"),
        "kind": kind,
        "instance": {"type": "VPC", "id": instance(n), "region": "cn-hangzhou", "owner": RESOURCE},
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
