//! The points at which this program assumes something about the cloud that no document decides. `docs/cloud.md` has a row
//! for each.

/// One such point.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CloudPoint {
    /// Its name in the output.
    pub name: &'static str,
    /// Its place in the notes on the API: a section, a gap (G), or a contradiction (H).
    pub key: &'static str,
    /// What this program assumes.
    pub inferred: &'static str,
}

macro_rules! points {
    ($($name:ident = $word:literal, $key:literal, $inferred:literal;)+) => {
        $(pub(super) const $name: CloudPoint = CloudPoint { name: $word, key: $key, inferred: $inferred };)+

        /// The points in the order of the table below. Only tests use this list.
        #[cfg(test)]
        pub(super) const ALL: &[&CloudPoint] = &[$(&$name,)+];
    };
}

points! {
    CEN_ALONE = "cen-alone", "A.8", "an attachment list asked by CenId alone is refused with IllegalParam.CenIdOrRegionId";
    PAGE_OF_100 = "page-of-100", "G3", "an attachment list gives pages of up to 100";
    ROUTERS = "routers", "A.12", "ListTransitRouters shows AliUid, RegionId and Type of every router";
    CENS = "cens", "A.12", "DescribeCens filtered by CenId lists that CEN to its owner, and no other";
    CHILDREN = "children", "A.9", "DescribeCenAttachedChildInstances shows Enterprise Edition attachments too";
    CHILD_ROWS = "child-rows", "A.9", "an instance has a row there for each of its attachments";
    CHILD_EDITIONS = "child-editions", "A.9", "what no Enterprise Edition list shows lies where the router is Basic Edition";
    ECR_TO_CEN = "ecr-to-cen", "H2", "DescribeGrantRulesToCen takes ProductType ECR and shows the rules";
    EFFECTIVE_ATTACHED = "effective-attached", "B", "every rule of an attached instance shows EffectiveOrderType";
    EFFECTIVE_UNATTACHED = "effective-unattached", "G4", "every rule of an unattached instance shows EffectiveOrderType";
    EFFECTIVE_RESOURCE = "effective-resource", "B", "the rule of the instance shows the same EffectiveOrderType to its owner";
    CREATE_TIME = "create-time", "H7", "CreateTime of a grant rule is a text";
    COUNTS = "counts", "A.5", "TotalCount of every list is the number of its items";
    OTHER_RULES = "other-rules", "J", "DescribeGrantRulesToCen answers another account with a RequestId alone";
    OTHER_ROUTERS = "other-routers", "J", "ListTransitRouters answers another account with an empty list, counted 0";
    OTHER_ATTACHMENTS = "other-attachments", "J", "attachment lists answer another account with an empty list, counted 0";
    OTHER_CHILDREN = "other-children", "J", "DescribeCenAttachedChildInstances answers another account with an empty list, counted 0";
    OTHER_CENS = "other-cens", "A.12", "DescribeCens answers another account with an empty list, counted 0";
    OTHER_INSTANCE = "other-instance", "J", "the owner of the CEN is answered an empty list, counted 0, of the instance's rules";
    VPN_TYPES = "vpn-types", "A.14", "AttachType of an IPsec-VPN connection is CEN, VPNGW or NO_ASSOCIATED";
    VPN_UNATTACHED = "vpn-unattached", "A.14", "DescribeVpnAttachments lists only what is attached";
    CCN_FILTER = "ccn-filter", "A.6", "DescribeGrantRules asked for one CCN lists the rules of that one alone";
    SERVICE = "service", "A.12", "CheckTransitRouterService answers Enabled, or refuses with USER_NOT_OPEN_TR_SERVICE";
    DATE = "date", "B", "every answer has a Date, within a minute of this machine's clock";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::{CalledAs, Operation, Purpose};

    #[test]
    fn the_page_about_the_cloud_has_every_point_and_every_operation() {
        let page = include_str!("../../../../docs/cloud.md");
        let names: BTreeSet<&str> = ALL.iter().map(|point| point.name).collect();
        assert_eq!(names.len(), ALL.len());
        for name in names {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
        for operation in Operation::ALL {
            let called_as = match operation.called_as() {
                CalledAs::Resource => "R",
                CalledAs::TransitRouter => "T",
                CalledAs::Either => "R, T",
                CalledAs::Hub => "hub",
                CalledAs::Unsigned => "none",
            };
            let purpose = match operation.purpose() {
                Purpose::Read => "read",
                Purpose::Write | Purpose::WriteWithToken => "**write",
                Purpose::Keys => "keys",
            };
            let row = format!("| `{operation}` | {called_as} | {purpose}");
            assert!(page.contains(&row), "{row}");
        }
    }
}
