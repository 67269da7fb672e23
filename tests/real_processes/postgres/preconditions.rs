//! What a database must offer is found out at the start, and the refusal names what is missing and what mends it.

use std::sync::Arc;
use std::time::Duration;

use crossgrant::domain::Code;
use crossgrant::engine::ports::store::{Store as _, StoreError, Taken};
use crossgrant::store::{LeaseClock, Postgres};

use super::{open, outsider, settings};
use crate::support::conformance::fixtures::{arrival, record, uid};
use crate::support::crossgrant;
use crate::support::postgres::{Cluster, Pooler};
use crate::support::process::{LIMIT, Process};

async fn refusal(url: &str) -> String {
    match Postgres::open(&settings(url, "w1"), LeaseClock::Callers).await {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_of_transactions_is_refused_and_one_of_sessions_is_not() {
    let database = Cluster::shared().database();
    let pooler = Pooler::start(database.cluster(), "transaction").unwrap();
    let why = refusal(&database.url_by(pooler.port())).await;
    assert!(why.contains("`pool_mode = transaction`") && why.contains("set `pool_mode = session`"), "{why}");
    let pooler = Pooler::start(database.cluster(), "session").unwrap();
    open(&database.url_by(pooler.port()), "w1").await.probe().await.unwrap();
}

#[tokio::test]
async fn a_role_without_a_right_is_told_which_and_how_to_give_it() {
    let database = Cluster::shared().database();
    let owner = outsider(&database).await;
    let role = format!("role_{}", database.url().rsplit('/').next().unwrap().split('?').next().unwrap());
    owner.batch_execute(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    let url = database.url().replace("crossgrant@", &format!("{role}@"));
    let why = refusal(&url).await;
    assert!(why.contains("GRANT CREATE ON DATABASE") && why.contains(&role), "{why}");

    drop(open(&database.url(), "w0").await);
    let all = format!(
        "GRANT USAGE ON SCHEMA crossgrant TO {role};
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA crossgrant TO {role}"
    );
    owner.batch_execute(&format!("{all}; REVOKE INSERT, DELETE ON crossgrant.outbox FROM {role}")).await.unwrap();
    let why = refusal(&url).await;
    assert!(why.contains("outbox (INSERT, DELETE)") && why.contains("ON ALL TABLES"), "{why}");
    owner.batch_execute(&all).await.unwrap();
    let why = refusal(&url).await;
    assert!(why.contains("reply_numbers (USAGE)") && why.contains("ON ALL SEQUENCES"), "{why}");
    owner.batch_execute(&format!("GRANT USAGE ON ALL SEQUENCES IN SCHEMA crossgrant TO {role}")).await.unwrap();
    let store = open(&url, "w1").await;
    assert_eq!(store.take(vec![arrival(&record(1))]).await.unwrap(), [Taken::New(uid(1))]);
    drop(store);
    owner.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}

#[tokio::test]
async fn a_table_that_another_session_has_locked_shows_in_the_probe() {
    let database = Cluster::shared().database();
    let store = Arc::new(open(&database.url(), "w1").await);
    let other = outsider(&database).await;
    other.batch_execute("BEGIN; LOCK TABLE jobs").await.unwrap();
    let probe = tokio::time::timeout(Duration::from_secs(1), store.probe()).await;
    assert!(probe.is_err(), "the worker cannot work: {probe:?}");
    other.batch_execute("COMMIT").await.unwrap();
    store.probe().await.unwrap();
}

#[tokio::test]
async fn the_schema_is_not_changed_under_a_worker_that_runs() {
    let database = Cluster::shared().database();
    let older = open(&database.url(), "w1").await;
    let owner = outsider(&database).await;
    owner.batch_execute("DELETE FROM migrations WHERE number = (SELECT max(number) FROM migrations)").await.unwrap();
    let why = refusal(&database.url()).await;
    assert!(why.contains("1 workers of an older version use it: stop them"), "{why}");
    older.probe().await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_with_the_address_has_a_code_of_its_own() {
    let database = Cluster::shared().database();
    let name = database.url().rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    for (url, code, says) in [
        (database.url().replace(&name, "nowhere"), Code::StoreMissing, "createdb --encoding UTF8"),
        (
            database.url().replace("crossgrant@", "nobody@"),
            Code::StoreLogin,
            "correct user and password in `[store] url`",
        ),
    ] {
        for refused in [
            Postgres::open(&settings(&url, "w1"), LeaseClock::Callers).await.map(drop),
            Postgres::examine(&settings(&url, "w1")).await.map(drop),
        ] {
            let Err(StoreError::Unusable(found, why)) = refused else { panic!("{url}: {refused:?}") };
            assert!(found == code && why.contains(says), "{found} {why}");
        }
    }
}

/// What `doctor` says of the store.
fn doctor(url: &str) -> String {
    doctor_of("w1", url)
}

/// What doctor says of the store of a worker of this name.
fn doctor_of(name: &str, url: &str) -> String {
    let around = [
        ("CROSSGRANT_STORE_URL", url),
        ("CROSSGRANT_WORKER_NAME", name),
        ("CROSSGRANT_ADMIN_LISTEN", "127.0.0.1:0"),
        ("CROSSGRANT_BROKER_URL", "amqp://a:b@127.0.0.1:9"),
    ];
    let doctor = Process::start_with("doctor", crossgrant(), &["doctor"], &around);
    doctor.end(LIMIT).expect("it ends");
    doctor.lines().into_iter().find(|line| line.contains(" store ")).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_that_another_worker_has_the_name() {
    let database = Cluster::shared().database();
    let _worker = open(&database.url(), "w1").await;
    let says = doctor_of("w1", &database.url());
    assert!(says.contains("another worker of it is named w1, and no two may have the same name"), "{says}");
    let says = doctor_of("w2", &database.url());
    assert!(says.contains("can be written and read"), "{says}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_only_looked_at_is_not_changed() {
    let database = Cluster::shared().database();
    let settings = settings(&database.url(), "w1");
    assert_eq!(Postgres::examine(&settings).await.unwrap(), 0);
    let says = doctor(&database.url());
    assert!(says.contains("is empty; a worker makes its schema"), "{says}");
    let owner = outsider(&database).await;
    let there = "SELECT to_regnamespace('crossgrant') IS NOT NULL";
    assert!(!owner.query_one(there, &[]).await.unwrap().get::<_, bool>(0), "no schema is made");

    let store = open(&database.url(), "w1").await;
    assert_eq!(Postgres::examine(&settings).await.unwrap(), Postgres::SCHEMA, "its name may be in use");
    assert!(store.size().await.unwrap() > 100_000, "its tables take room");
    drop(store);
    owner.batch_execute("DELETE FROM migrations WHERE number = (SELECT max(number) FROM migrations)").await.unwrap();
    let found = loop {
        // The server ends the sessions of a worker a moment after it has gone.
        match Postgres::examine(&settings).await {
            Err(StoreError::Unavailable(why)) if why.contains("of an older version use it") => {}
            other => break other.unwrap(),
        }
    };
    assert_eq!(found, Postgres::SCHEMA - 1);
    let (says, new) = (doctor(&database.url()), Postgres::SCHEMA);
    assert!(says.contains(&format!("it would be migrated from {found} to {new} when a worker starts")), "{says}");
    let number = owner.query_one("SELECT max(number) FROM migrations", &[]).await.unwrap().get::<_, i32>(0);
    assert_eq!(usize::try_from(number).unwrap(), Postgres::SCHEMA - 1, "nothing is migrated");
    let name = owner.query_one("SELECT quote_ident(current_database())", &[]).await.unwrap().get::<_, String>(0);
    let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    owner.batch_execute(&read_only).await.unwrap();
    let refused = Postgres::examine(&settings).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("does not allow writes")),
        "{refused:?}"
    );
}
