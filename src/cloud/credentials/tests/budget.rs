//! The account whose budget a session counts on.

use super::*;
use crate::clock::Clock;
use crate::engine::ports::urgency::Urgency;

/// STS counts `AssumeRole` on the account that calls it, the hub's, whatever account the role is in.
#[tokio::test]
async fn the_roles_of_many_accounts_share_the_budget_of_the_hub_that_assumes_them() {
    const BURST: u32 = 3;
    let account = |n: u64| AccountUid::parse((1_688_000_000_000_001 + n).to_string()).unwrap();
    let role_of = |uid: &AccountUid| Role::new(format!("acs:ram::{uid}:role/crossgrant").parse().unwrap());
    let owner = AccountUid::parse(TR_ACCOUNT).unwrap();
    let named = hub();
    let table = AccountCredentials::new(owner.clone(), Credential::Shared(named.clone()));
    // Its own session is one of the burst.
    let session_of_its_own = Arc::new(Credential::AssumeRole { role: role_of(&owner), with: hub() });
    for (hub, table, counted_on) in
        [(hub(), None, account(0)), (named, Some(table), owner.clone()), (session_of_its_own, None, owner.clone())]
    {
        let cloud = (0..BURST).fold(Scripted::new(), |cloud, _| cloud.json(200, session("STS.1", "09:30:00")));
        let bench = Bench::limited(cloud.clone(), Some(Limits { burst: BURST, ..Limits::default() }));
        let behind = |n| {
            let credential = Credential::AssumeRole { role: role_of(&account(n)), with: hub.clone() };
            AccountCredentials::new(account(n), credential)
        };
        // The table that names the hub's account may come last.
        let all: Vec<_> = (0..50).map(behind).chain(table).collect();
        let mut sources = Sources::new(bench.shared.clone()).knowing(&all);
        let urgency = Urgency { until: Some(bench.clock.uptime()), ..Urgency::default() };
        let mut refused = Vec::new();
        for one in &all[..50] {
            let source = sources.of(&one.credential);
            refused.extend(urgency.scope(source.keys()).await.err());
        }
        assert_eq!(cloud.actions().len(), BURST as usize, "a burst for all of them together");
        let said = format!("own limit on AssumeRole as account {counted_on} is reached");
        assert!(refused.iter().all(|error| error.why.contains(&said)), "{said}: {:?}", refused.first());
    }
}
