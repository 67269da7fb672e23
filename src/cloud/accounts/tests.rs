use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::cloud::credentials::StaticKeys;
use crate::cloud::observer::{CallObserver, Unobserved};
use crate::cloud::testing::{self, RESOURCE_ACCOUNT, SECRET, Scripted, TOKEN, TR_ACCOUNT, cen, instance, permit, uid};
use crate::cloud::transport::TransportError;
use crate::domain::InstanceType;
use crate::engine::ports::cloud::Failure;
use crate::engine::ports::crash_points::NoCrashes;

fn why(error: CloudError) -> String {
    match error.failure {
        Failure::NotSent { why } | Failure::Credential { why, .. } | Failure::AccountRefused { why } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_account_without_a_credential_is_named() {
    let accounts = testing::accounts(&Scripted::new(), Unobserved);
    let stranger = uid("1999999999999999");
    for error in [
        accounts.resource_reader(&stranger).err().unwrap(),
        accounts.transit_router_reader(&stranger).err().unwrap(),
        accounts.resource_writer(&stranger, permit()).await.err().unwrap(),
        accounts.transit_router_writer(&stranger, permit()).await.err().unwrap(),
    ] {
        assert!(why(error).contains("1999999999999999"));
    }
}

#[tokio::test]
async fn with_the_wrong_credential_nothing_is_written_and_nothing_is_read() {
    let stranger = || json!({"RequestId": "I", "AccountId": TR_ACCOUNT});
    let cloud = Scripted::new().identities_too().json(200, stranger());
    let accounts = testing::accounts(&cloud, Unobserved);
    let account = uid(RESOURCE_ACCOUNT);
    assert!(why(accounts.resource_writer(&account, permit()).await.err().unwrap()).contains("belongs to account"));
    // An empty list, read with the key of another account, would prove an absence falsely.
    let reader = accounts.resource_reader(&account).unwrap();
    let read = reader.describe_grant_rules_to_resource(&instance(InstanceType::VPC)).await;
    assert!(why(read.unwrap_err()).contains("belongs to another account"));
    assert_eq!(cloud.actions(), ["GetCallerIdentity"], "what is known to be refused is not asked again");
}

#[tokio::test]
async fn other_credentials_are_told_from_those_in_use() {
    let accounts = testing::accounts(&Scripted::new(), Unobserved);
    let both = || vec![testing::credentials(RESOURCE_ACCOUNT), testing::credentials(TR_ACCOUNT)];
    assert!(accounts.differing(&both()).is_empty() && accounts.reconfigure(&both()).is_empty());
    let secret = StaticKeys::new(format!("key-of-{RESOURCE_ACCOUNT}"), "0ther".into(), None);
    let new = [AccountCredentials::new(uid(RESOURCE_ACCOUNT), secret), testing::credentials("1999999999999999")];
    let differ = BTreeSet::from([RESOURCE_ACCOUNT, TR_ACCOUNT, "1999999999999999"].map(uid));
    assert_eq!(accounts.differing(&new), differ);
    let changes = [
        (uid(TR_ACCOUNT), CredentialChange::Removed),
        (uid(RESOURCE_ACCOUNT), CredentialChange::Replaced),
        (uid("1999999999999999"), CredentialChange::Added),
    ];
    assert_eq!(accounts.reconfigure(&new), changes);
    assert_eq!(accounts.next_question(), Some(Duration::ZERO), "whose the new ones are is asked at once");
    accounts.ask_accounts(false).await;
    assert_eq!(accounts.next_question(), None);
    let known: Vec<_> = accounts.accounts().into_iter().map(|known| (known.uid, known.standing)).collect();
    assert_eq!(known, [(uid(RESOURCE_ACCOUNT), Standing::Ok), (uid("1999999999999999"), Standing::Ok)]);
}

/// A job got its writer, waited for its turn, and meanwhile the key was rotated: what the old one would be refused with says
/// nothing of the new one.
#[tokio::test]
async fn a_call_with_a_credential_that_was_replaced_is_not_sent_and_does_not_refuse_the_new_one() {
    let no = json!({"RequestId": "R", "Code": "SignatureDoesNotMatch", "Message": "no"});
    let cloud = Scripted::new().json(400, no).json(200, json!({"RequestId": "R"}));
    let accounts = testing::accounts(&cloud, Unobserved);
    let account = uid(RESOURCE_ACCOUNT);
    let old = accounts.resource_writer(&account, permit()).await.unwrap();
    let secret = StaticKeys::new(format!("key-of-{RESOURCE_ACCOUNT}"), "0ther".into(), None);
    let new = [AccountCredentials::new(account.clone(), secret), testing::credentials(TR_ACCOUNT)];
    assert_eq!(accounts.reconfigure(&new), [(account.clone(), CredentialChange::Replaced)]);
    let error = old.revoke(&instance(InstanceType::VPC), &cen()).await.unwrap_err();
    assert!(why(error).contains("was replaced meanwhile") && cloud.actions().is_empty(), "{:?}", cloud.actions());
    accounts.ask_accounts(false).await;
    let known = accounts.accounts().into_iter().find(|known| known.uid == account).unwrap();
    assert_eq!(known.standing, Standing::Ok);
    accounts.resource_writer(&account, permit()).await.unwrap();
}

#[tokio::test]
async fn of_an_account_no_more_of_its_key_is_told_than_the_end() {
    let known = testing::accounts(&Scripted::new(), Unobserved).accounts();
    assert_eq!(known[1].key_end.as_deref(), Some("0001"));
    assert_eq!((known[1].credential.as_str(), known[1].expires_at), ("access-key", None));
    assert!(!serde_json::to_string(&known).unwrap().contains(SECRET));
    for (id, told) in
        [("", None), ("abc", None), ("abcdefg", None), ("abcdefgh", Some("efgh")), ("abcdéfgh", Some("éfgh"))]
    {
        assert_eq!(end(id).as_deref(), told, "{id}");
    }
}

/// While it is refused no call is made, however many ask; the file is read anew, and a role is assumed anew.
#[tokio::test]
async fn a_refused_account_is_asked_once_a_minute_with_its_credential_read_anew() {
    let no = || json!({"RequestId": "R", "Code": "SignatureDoesNotMatch", "Message": "no"});
    let yes = || json!({"RequestId": "R", "AccountId": RESOURCE_ACCOUNT});
    let cloud = Scripted::new().identities_too().json(400, no()).json(400, no()).json(400, no()).json(200, yes());
    let clock = Arc::new(testing::clock());
    let configured = Arc::new(Mutex::new(testing::credentials(RESOURCE_ACCOUNT)));
    let read = configured.clone();
    let parts = ClientParts { clock: clock.clone(), ..testing::parts(cloud.clone()) };
    let accounts = Accounts::new(parts, vec![testing::credentials(RESOURCE_ACCOUNT)])
        .reading(Arc::new(move || Some(vec![read.lock().unwrap().clone()])));
    let account = uid(RESOURCE_ACCOUNT);
    accounts.verify(&account).await.unwrap_err();
    for _ in 0..300 {
        let error = accounts.resource_writer(&account, permit()).await.err().unwrap();
        assert!(matches!(error.failure, Failure::AccountRefused { .. }), "{error}");
    }
    assert_eq!(cloud.actions().len(), 1);
    accounts.ask_accounts(false).await;
    accounts.ask_accounts(false).await;
    assert_eq!(cloud.actions().len(), 2, "at once, and not again within the minute");
    clock.advance(Duration::from_secs(60));
    accounts.ask_accounts(false).await;
    assert_eq!((cloud.actions().len(), accounts.freed_accounts()), (3, vec![]));

    let keys = StaticKeys::new(format!("key-of-{RESOURCE_ACCOUNT}"), "0ther".into(), None);
    configured.lock().unwrap().credential = keys.into();
    accounts.ask_accounts(false).await;
    assert_eq!(cloud.actions().len(), 4, "another credential is tried at once");
    let renewed = [(account.clone(), Standing::Ok)];
    assert_eq!((accounts.renewed(), accounts.renewed()), (renewed.to_vec(), vec![]), "a reload says so once");
    assert_eq!((accounts.freed_accounts(), accounts.freed_accounts()), (vec![account.clone()], vec![]));
    accounts.resource_writer(&account, permit()).await.unwrap();
    assert_eq!(cloud.actions().len(), 4);
}

#[tokio::test]
async fn an_identity_is_checked_once_for_all_readers_and_writers() {
    let cloud = Scripted::new()
        .identities_too()
        .json(200, json!({"RequestId": "I", "AccountId": TR_ACCOUNT.parse::<u64>().unwrap()}))
        .json(200, json!({"RequestId": "R"}));
    let accounts = testing::accounts(&cloud, Unobserved);
    let account = uid(TR_ACCOUNT);
    accounts.verify(&account).await.unwrap();
    accounts.resource_writer(&account, permit()).await.unwrap();
    let writer = accounts.transit_router_writer(&account, permit()).await.unwrap();
    writer.detach_child_instance(&cen(), &instance(InstanceType::VPC)).await.unwrap();
    assert_eq!(cloud.actions(), ["GetCallerIdentity", "DetachCenChildInstance"]);
}

#[tokio::test]
async fn without_its_permit_a_write_sends_no_byte_whatever_task_makes_it() {
    let cloud = Scripted::new().json(200, json!({"RequestId": "R"}));
    let clock = Arc::new(testing::clock());
    let permit = WritePermit::new(clock.clone(), Arc::new(NoCrashes), clock.uptime() + Duration::from_secs(10));
    let accounts = testing::accounts(&cloud, Unobserved);
    let writer = accounts.resource_writer(&uid(RESOURCE_ACCOUNT), permit.clone()).await.unwrap();
    let revoke = || {
        let writer = writer.clone();
        tokio::spawn(async move { writer.revoke(&instance(InstanceType::VPC), &cen()).await })
    };
    revoke().await.unwrap().unwrap();
    assert!(!permit.was_refused());
    clock.advance(Duration::from_secs(10));
    let error = revoke().await.unwrap().unwrap_err();
    assert_eq!(error.failure, Failure::NotSent { why: "the lease of its job is over".into() });
    assert!(permit.was_refused());
    assert_eq!(cloud.actions().len(), 1);
}

#[tokio::test]
async fn every_attempt_has_its_own_nonce() {
    let cloud = Scripted::new().json(200, json!({"RequestId": "R"})).json(200, json!({"RequestId": "R"}));
    let writer = testing::accounts(&cloud, Unobserved).resource_writer(&uid(RESOURCE_ACCOUNT), permit()).await.unwrap();
    for _ in 0..2 {
        writer.revoke(&instance(InstanceType::VPC), &cen()).await.unwrap();
    }
    let header = |name: &str| -> HashSet<String> {
        cloud.requests().iter().map(|r| r.headers()[name].to_str().unwrap().to_owned()).collect()
    };
    assert_eq!((header("x-acs-signature-nonce").len(), header("authorization").len()), (2, 2));
    assert_eq!(header("x-acs-date"), HashSet::from(["2026-05-09T08:30:00Z".to_owned()]));
}

#[tokio::test]
async fn a_secret_in_the_clouds_message_is_not_passed_on() {
    let message = format!("server string to sign: x-acs-security-token:{TOKEN}\n{SECRET} {}", "y".repeat(5000));
    let body = json!({"RequestId": "R", "Code": "SignatureDoesNotMatch", "Message": message});
    let cloud = Scripted::new().json(400, body);
    let writer = testing::accounts(&cloud, Unobserved).resource_writer(&uid(RESOURCE_ACCOUNT), permit()).await.unwrap();
    let error = writer.revoke(&instance(InstanceType::VPC), &cen()).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("SignatureDoesNotMatch") && shown.contains("x-acs-security-token:***"), "{shown}");
    assert!(!shown.contains("s3cr3t") && shown.len() < 4000, "{shown}");
}

#[derive(Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl crate::engine::ports::trace::Tracer for Heard {}

impl CallObserver for Heard {
    fn called(&self, operation: Operation, account: &AccountUid, outcome: &str, _: Duration) {
        self.0.lock().unwrap().push(format!("{operation} {account} {outcome}"));
    }
}

#[tokio::test]
async fn what_became_of_a_call_is_told_to_caller_and_observer() {
    let busy = r#"{"RequestId":"R-9","Code":"Throttling.User","Message":"m"}"#;
    let cloud = Scripted::new()
        .json(200, json!({"RequestId": "R"}))
        .raw(400, &[("x-acs-retry-after", "2000")], busy)
        .raw(502, &[], "<html/>")
        .fail(TransportError::NotSent("refused".into()))
        .fail(TransportError::Unanswered("reset".into()));
    let heard = Heard::default();
    let log = heard.0.clone();
    let writer = testing::accounts(&cloud, heard).resource_writer(&uid(RESOURCE_ACCOUNT), permit()).await.unwrap();
    let mut errors = Vec::new();
    for _ in 0..5 {
        errors.extend(writer.revoke(&instance(InstanceType::VPC), &cen()).await.err());
    }
    assert_eq!(errors[0].retry_after, Some(Duration::from_secs(2)));
    assert_eq!(errors[0].request_id.as_deref(), Some("R-9"));
    assert!(matches!(&errors[1].failure, Failure::Refused { status: 502, code, .. } if code.is_empty()));
    assert_eq!(errors[2].failure, Failure::NotSent { why: "refused".into() });
    assert_eq!(errors[3].failure, Failure::Unanswered { why: "reset".into() });
    let outcomes: Vec<String> = ["ok", "Throttling.User", "http-502", "not-sent", "unanswered"]
        .map(|outcome| format!("RevokeInstanceFromTransitRouter {RESOURCE_ACCOUNT} {outcome}"))
        .into();
    assert_eq!(log.lock().unwrap()[1..], outcomes);
}
