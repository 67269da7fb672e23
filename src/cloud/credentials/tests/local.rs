//! Keys of the machine, and of a URL.

use super::*;

const TOKEN_PATH: &str = "PUT /latest/api/token";
const FOLDER: &str = "GET /latest/meta-data/ram/security-credentials/";

/// An answer of the metadata service, or of a credentials URI.
fn local_keys(id: &str, code: &str) -> Value {
    let mut keys = session(id, "09:30:00")["Credentials"].take();
    keys["Code"] = code.into();
    keys
}

fn any_role() -> Credential {
    Credential::InstanceRole(MachineRole::any())
}

#[tokio::test]
async fn the_name_of_the_machines_role_is_asked_for_at_every_renewal_if_none_is_configured() {
    let cloud = ["web", "worker"].iter().fold(Scripted::new(), |cloud, name| {
        let listed = format!("{name}\n");
        cloud.raw(200, &[], "s3cr3t-token").raw(200, &[], &listed).json(200, local_keys(name, "Success"))
    });
    let bench = Bench::new(cloud.clone());
    let source = bench.source(&any_role());
    let first = source.keys().await.unwrap();
    assert_eq!((first.access_key_id.as_str(), first.principal.as_str()), ("web", "ecs-ram-role/web"));
    bench.pass(3500);
    assert_eq!(source.keys().await.unwrap().principal, "ecs-ram-role/worker");
    assert_eq!(cloud.actions()[..4], [TOKEN_PATH, FOLDER, &format!("{FOLDER}web"), TOKEN_PATH]);
    assert!(cloud.requests()[1].headers()["x-aliyun-ecs-metadata-token"].is_sensitive());

    for listed in ["", "two\nroles", "../../user-data"] {
        let cloud = Scripted::new().raw(200, &[], "s3cr3t-token").raw(200, &[], listed);
        let error = Bench::new(cloud).source(&any_role()).keys().await.unwrap_err();
        assert!(error.why.contains("does not list one role"), "{listed}: {error}");
    }
}

#[tokio::test]
async fn keys_that_come_without_success_are_none() {
    let uri = Credential::Uri("http://127.0.0.1:6666/keys".parse().unwrap());
    let machine = Credential::InstanceRole("machine".into());
    for (way, token) in [(uri, false), (machine, true)] {
        let mut without = local_keys("STS.1", "");
        without.as_object_mut().unwrap().remove("Code");
        let mut partly = local_keys("STS.1", "Success");
        partly.as_object_mut().unwrap().remove("SecurityToken");
        for (answer, why) in [
            (local_keys("STS.1", "Failed"), "with Code \"Failed\""),
            (without, "without Code \"Success\""),
            (partly, "has no SecurityToken"),
            (json!("s3cr3t"), "without Code"),
        ] {
            let cloud = if token { Scripted::new().raw(200, &[], "t") } else { Scripted::new() };
            let source = Bench::new(cloud.json(200, answer)).source(&way);
            let error = source.keys().await.unwrap_err();
            assert!(error.why.contains(why) && !error.why.contains("s3cr3t"), "{error}");
        }
        let cloud = if token { Scripted::new().raw(200, &[], "t") } else { Scripted::new() };
        let error = Bench::new(cloud.raw(200, &[], &"x".repeat(100_000))).source(&way).keys().await.unwrap_err();
        assert!(error.why.contains("longer than 65536 bytes"), "{error}");
    }
}

#[tokio::test]
async fn where_no_token_is_given_the_keys_are_asked_for_without_one_unless_that_is_switched_off() {
    let careful = MachineRole { without_token: false, ..MachineRole::from("machine") };
    let refused = |status: u16| Scripted::new().raw(status, &[], "");
    let unanswered = || Scripted::new().fail(TransportError::Unanswered("no answer within 2s".into()));
    for cloud in [refused(404), refused(405), refused(501), unanswered()] {
        let cloud = cloud.json(200, local_keys("STS.1", "Success"));
        let source = Bench::new(cloud.clone()).source(&Credential::InstanceRole("machine".into()));
        assert_eq!(id(&source).await, "STS.1");
        assert!(cloud.requests()[1].headers().get("x-aliyun-ecs-metadata-token").is_none());
    }
    for cloud in [refused(404), unanswered()] {
        let error = Bench::new(cloud).source(&Credential::InstanceRole(careful.clone())).keys().await.unwrap_err();
        assert!(error.why.contains("switched off (ALIBABA_CLOUD_IMDSV1_DISABLED)"), "{error}");
    }
    // Nothing is to be learnt from a service that is not there, or has a bad moment.
    let gone = Scripted::new().fail(TransportError::NotSent("refused".into()));
    for (cloud, status) in [(refused(429), Some(429)), (refused(503), Some(503)), (gone, None)] {
        let error = Bench::new(cloud).source(&Credential::InstanceRole("machine".into())).keys().await.unwrap_err();
        assert_eq!(error.refusal.map(|refusal| refusal.status), status, "{}", error.why);
    }
    // A service that insists on tokens, and whose token did not come: it may come the next time.
    for (cloud, status) in [(refused(404).raw(403, &[], ""), Some(403)), (unanswered().raw(403, &[], ""), None)] {
        let error = Bench::new(cloud).source(&Credential::InstanceRole("machine".into())).keys().await.unwrap_err();
        assert!(error.why.contains("HTTP 403, asked without a token"), "{error}");
        assert_eq!(error.refusal.map(|refusal| refusal.status), status);
    }
}

#[tokio::test]
async fn a_credentials_uri_hands_out_keys_whose_account_is_checked_each_time() {
    let identity = || json!({"RequestId": "I", "AccountId": RESOURCE_ACCOUNT});
    let cloud = ["STS.1", "STS.2"].iter().fold(Scripted::new().identities_too(), |cloud, id| {
        cloud.json(200, local_keys(id, "Success")).json(200, identity())
    });
    let bench = Bench::new(cloud.clone());
    let uri = Credential::Uri("http://127.0.0.1:6666/keys?role=s3cr3t".parse().unwrap());
    let client = bench.client(RESOURCE_ACCOUNT, &uri);
    client.verify().await.unwrap();
    bench.pass(3500);
    client.verify().await.unwrap();
    assert_eq!(cloud.actions(), ["GET /keys", "GetCallerIdentity", "GET /keys", "GetCallerIdentity"]);
    assert_eq!(cloud.query(0), [("role".to_owned(), "s3cr3t".to_owned())]);
    let error = Bench::new(Scripted::new().raw(404, &[], "s3cr3t")).source(&uri).keys().await.unwrap_err();
    assert_eq!(error.why, "no keys of the credentials URI http://127.0.0.1:6666/…: HTTP 404");
    assert_eq!(error.refusal.map(|refusal| refusal.status), Some(404));
}
