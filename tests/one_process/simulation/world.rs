//! What the jobs of a run are about: the example's networks.

use crossgrant::simulator::World;
use serde_json::{Value, json};

pub use crate::support::plant::{CEN, CEN_OWNER, RESOURCE};

/// Both accounts of every job.
pub const ACCOUNTS: [&str; 2] = [RESOURCE, CEN_OWNER];

/// The world of the example, but one network is attached to a second transit router.
pub fn world() -> World {
    let second = r#"    { id = "tr-bp1su1ytdxtataupl0003", region = "cn-shanghai", type = "Enterprise" },"#;
    let attachment = "tr-attach-nls9fzkfat89340005\"\ntransit_router = \"";
    let text = include_str!("../../../examples/world.toml");
    let text = text.replacen(attachment, &format!("{attachment}tr-bp1su1ytdxtataupl0003\"\n# \""), 1);
    let last = "type = \"Basic\" },\n";
    assert!(text.contains("0003\"\n#") && text.contains(last));
    World::from_toml(&text.replacen(last, &format!("{last}{second}\n"), 1)).unwrap()
}

/// A network of the example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub kind: &'static str,
    pub id: &'static str,
    region: &'static str,
}

const fn network(kind: &'static str, id: &'static str) -> Network {
    Network { kind, id, region: "cn-hangzhou" }
}

/// Those that runs are about.
pub const NETWORKS: [Network; 7] = [
    network("VPC", "vpc-bp1h8vbrbcgohcju50001"),
    network("VPC", "vpc-bp1h8vbrbcgohcju50002"),
    network("VPC", "vpc-bp1h8vbrbcgohcju50003"),
    network("VPC", "vpc-bp1h8vbrbcgohcju50005"),
    network("VBR", "vbr-bp1svadp4lq38janc0001"),
    network("VPN", "vco-bp1bbi27hojx80nck0001"),
    network("ECR", "ecr-n78omt2qsko06y0001"),
];

/// Whether an instance is granted at first, with the owner of the CEN as the payer.
pub fn granted_at_first(instance: &str) -> bool {
    ["vpc-bp1h8vbrbcgohcju50001", "vpc-bp1h8vbrbcgohcju50002", "vpc-bp1h8vbrbcgohcju50005"].contains(&instance)
}

impl Network {
    /// A job on it.
    pub fn job(&self, id: &str, kind: &str) -> Value {
        json!({
            "id": id, "kind": kind,
            "instance": {"type": self.kind, "id": self.id, "region": self.region, "owner": RESOURCE},
            "cen": {"id": CEN, "owner": CEN_OWNER},
        })
    }
}
