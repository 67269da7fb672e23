//! Jobs that a worker publishes for who has no user: by its signature they are known, and by nothing else.

use crossgrant::broker::{AmqpDoor, DoorKeys};
use crossgrant::domain::{Code, Requester};
use crossgrant::engine::ports::door::{DoorMessage, DoorPublisher, NotPublished};
use lapin::options::ConfirmSelectOptions;

use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn keys(key: &str) -> DoorKeys {
    DoorKeys { keys: vec![key.into()], within: Duration::from_secs(86_400) }
}

fn message(id: &str) -> DoorMessage {
    DoorMessage {
        requester: Requester::at_door("bot").unwrap(),
        message_id: id.into(),
        correlation_id: "NET-1".into(),
        reply_to: None,
        traceparent: Some("00-1".into()),
        body: Bytes::from_static(b"{\"id\":\"NET-1\"}"),
        at: SystemClock.now(),
    }
}

/// How a worker knows what is in its queue: who has sent it, or why that is not believed.
async fn known(settings: &BrokerSettings, count: usize) -> Vec<Result<Option<String>, Code>> {
    let journal = Journal::new(true);
    let consuming = Consuming::start(settings, &journal);
    soon("the messages", journal.taken.subscribe().wait_for(|taken| taken.len() >= count)).await.unwrap();
    assert!(consuming.stop().await.clean);
    let known = |taken: &Incoming| taken.unproven.as_ref().map_or(Ok(taken.user_id.clone()), |fault| Err(fault.code));
    journal.taken.borrow().iter().map(known).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_token_cannot_be_forged_or_moved() {
    let rabbit = shared_rabbit();
    let settings = BrokerSettings { door: Some(keys(KEY)), ..settings(&rabbit) };
    publisher(&settings).0.publish(&[]).await.unwrap(); // declares
    let (door, stranger) = (AmqpDoor::new(&settings, keys(KEY)), AmqpDoor::new(&settings, keys(&"s".repeat(32))));
    door.publish(&message("m-1")).await.unwrap();
    assert_eq!(known(&settings, 1).await, [Ok(Some("http:bot".into()))]);
    // Without the key it is the job of no requester, and not that of the worker's own user.
    let keyless = BrokerSettings { door: None, ..settings.clone() };
    door.publish(&message("m-2")).await.unwrap();
    assert_eq!(known(&keyless, 1).await, [Err(Code::JobNoDoor)]);
    stranger.publish(&message("m-3")).await.unwrap();
    assert_eq!(known(&settings, 1).await, [Err(Code::JobBadSignature)]);

    // A user who can read the queue of jobs publishes what it has read there: unchanged, and with another body, answer and id.
    door.publish(&message("m-4")).await.unwrap();
    let user = format!("http:bot-{}", settings.topology.prefix());
    rabbit.ctl(&["add_user", &user, "p"]).unwrap();
    rabbit.ctl(&["set_permissions", "-p", "/", &user, "", ".*", ".*"]).unwrap();
    let url = format!("amqp://{}:p@{}/%2f", user.replace(':', "%3A"), rabbit.address());
    let conn = lapin::Connection::connect(&url, lapin::ConnectionProperties::default()).await.unwrap();
    let reading = conn.create_channel().await.unwrap();
    let channel = conn.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let queue = settings.topology.jobs_queue();
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let reader = reading.basic_consume(queue.as_str().into(), "reader".into(), options, FieldTable::default());
    let read = soon("the message", reader.await.unwrap().next()).await.unwrap().unwrap();
    reading.close(200, "read".into()).await.unwrap();
    let (properties, body) = (read.properties.clone(), read.data.clone());
    assert!(properties.user_id().is_none());
    let send = async |properties: BasicProperties, body: &[u8]| {
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish("".into(), queue.as_str().into(), options, body, properties).await.unwrap();
        assert!(sent.await.unwrap().is_ack());
    };
    send(properties.clone(), &body).await;
    send(properties.clone(), b"{\"id\":\"NET-2\"}").await;
    send(properties.clone().with_reply_to("others.answers".into()), &body).await;
    send(properties.clone().with_message_id("m-5".into()), &body).await;
    send(BasicProperties::default().with_user_id(user.as_str().into()), &body).await;
    let (forged, bad) = (Err(Code::JobBadSignature), Err(Code::JobBadUser));
    let same = Ok(Some("http:bot".into()));
    assert_eq!(known(&settings, 5).await, [same, forged.clone(), forged.clone(), forged, bad]);
    rabbit.ctl(&["delete_user", &user]).unwrap();
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_nothing_is_taken_and_a_lost_connection_is_replaced() {
    let rabbit = Rabbit::start(scratch()).unwrap();
    let settings = settings(&rabbit);
    let door = AmqpDoor::new(&settings, keys(KEY));
    let not_taken = |published: Result<(), NotPublished>, says: &str| match published {
        Err(NotPublished::NotTaken(why)) => assert!(why.contains(says), "{why}"),
        other => panic!("{other:?}"),
    };
    not_taken(door.publish(&message("m-0")).await, "there is no queue");
    publisher(&settings).0.publish(&[]).await.unwrap(); // declares
    door.publish(&message("m-1")).await.unwrap();
    rabbit.stop().unwrap();
    soon("the loss is seen", async { while door.publish(&message("m-2")).await.is_ok() {} }).await;
    not_taken(door.publish(&message("m-2")).await, "no broker can be reached");
    rabbit.restart().unwrap();
    soon("the broker is there again", async { while door.publish(&message("m-3")).await.is_err() {} }).await;
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    journal.has(2).await;
    assert!(consuming.stop().await.clean);
    let there: BTreeSet<Option<String>> = journal.taken.borrow().iter().map(|taken| taken.message_id.clone()).collect();
    let expected = ["m-1", "m-3"].map(|id| Some(id.to_owned()));
    assert_eq!(there, expected.into(), "what was not taken is not there");
}
