//! Messages that the broker takes offence at: each is known by itself, and all others go out in order.

use crossgrant::broker::missing_rights;
use crossgrant::domain::reply_to::reply_to_fault;
use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions};

use super::*;

/// The broker tries to read a process id in it, and closes the connection with 541.
const CHOKES: &str = "amq.rabbitmq.reply-to.AAAA.k";

/// Publishes `count` messages of which those at `places` go to `poison`, and all others to a queue; returns the verdicts on
/// the former. The others arrive in order, each four times at most.
async fn published(count: usize, places: &[usize], poison: (&str, &str)) -> Vec<Delivered> {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let (publisher, state) = publisher_of(Lane::Replies, &settings);
    publisher.publish(&[]).await.unwrap(); // declares
    let submitter = Submitter::connect(Arc::new(settings.clone())).await.unwrap();
    let mut replies = submitter.replies().await.unwrap();
    let to = |n: &usize| if places.contains(n) { poison } else { ("", replies.name()) };
    let batch: Vec<Outgoing> = (0..count).map(|n| event(&format!("m{n:05}"), to(&n).0, to(&n).1)).collect();
    let verdicts = soon("publish", publisher.publish(&batch)).await.unwrap();
    assert_eq!(verdicts.len(), count);
    let (poisoned, good): (Vec<_>, Vec<_>) = verdicts.into_iter().enumerate().partition(|(n, _)| places.contains(n));
    assert!(good.iter().all(|(_, verdict)| *verdict == Delivered::Confirmed), "{good:?}");
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    let mut order = Vec::new();
    while copies.len() < good.len() {
        let id = soon("a message", replies.next()).await.unwrap().message_id.unwrap();
        let seen = copies.entry(id.clone()).or_default();
        *seen += 1;
        if *seen == 1 {
            order.push(id);
        }
    }
    assert!(order.is_sorted(), "each for the first time in order: {order:?}");
    assert!(copies.values().all(|copies| *copies <= 4), "{copies:?}");
    let counts = state.counts();
    assert_eq!((counts.confirmed, counts.unpublishable), (good.len() as u64, places.len() as u64));
    poisoned.into_iter().map(|(_, verdict)| verdict).collect()
}

fn words(verdict: &Delivered) -> &str {
    match verdict {
        Delivered::Unpublishable(words) => words,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_closes_the_connection_harms_no_other() {
    for verdict in published(600, &[0, 255, 256, 511, 599], ("", CHOKES)).await {
        assert!(words(&verdict).contains("INTERNAL_ERROR"), "{verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_closes_the_channel_harms_no_other() {
    for verdict in published(520, &[7, 300, 519], ("no-such-exchange", "job.completed")).await {
        assert!(words(&verdict).contains("no exchange 'no-such-exchange'"), "{verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_alone_is_known_too_and_the_next_batch_goes_out() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let (publisher, _) = publisher_of(Lane::Replies, &settings);
    for _ in 0..2 {
        let verdicts = soon("publish", publisher.publish(&[event("bad", "", CHOKES)])).await.unwrap();
        assert!(words(&verdicts[0]).contains("INTERNAL_ERROR"), "{verdicts:?}");
        let good = [event("good", "", &settings.topology.dead_queue())];
        assert_eq!(soon("publish", publisher.publish(&good)).await.unwrap(), [Delivered::Confirmed]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_property_that_no_frame_can_hold_harms_no_other() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let (publisher, _) = publisher_of(Lane::Replies, &settings);
    let dead = settings.topology.dead_queue();
    let batch = [event("a", "", &dead), event("b", "", &"q".repeat(300)), event("c", "", &dead)];
    let verdicts = soon("publish", publisher.publish(&batch)).await.unwrap();
    assert!(words(&verdicts[1]).contains("longer than 255 bytes"), "{verdicts:?}");
    assert_eq!((&verdicts[0], &verdicts[2]), (&Delivered::Confirmed, &Delivered::Confirmed));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_cut_to_the_frame_that_was_agreed() {
    let rabbit = shared_rabbit();
    let mut settings = settings(&rabbit);
    settings.urls = vec![SecretString::from(format!("{}?frame_max=8192", rabbit.amqp_url()))];
    let (publisher, _) = publisher_of(Lane::Replies, &settings);
    let reasons: Vec<_> =
        (0..60).map(|n| serde_json::json!({"at": format!("/f{n}"), "message": "x".repeat(250)})).collect();
    let mut copy = event("copy", "", &settings.topology.dead_queue());
    copy.headers.insert("x-crossgrant-reasons".into(), serde_json::Value::from(reasons).to_string());
    assert_eq!(soon("publish", publisher.publish(&[copy])).await.unwrap(), [Delivered::Confirmed]);

    let (_conn, channel) = channel(&rabbit).await;
    let (dead, options) = (settings.topology.dead_queue(), BasicConsumeOptions::default());
    let mut consumer = channel.basic_consume(dead.into(), "".into(), options, FieldTable::default()).await.unwrap();
    let copy = soon("the copy", consumer.next()).await.unwrap().unwrap();
    let headers = copy.properties.headers().clone().unwrap();
    let text = |name: &str| match &headers.inner()[name] {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    let left: Vec<serde_json::Value> = serde_json::from_str(&text("x-crossgrant-reasons")).unwrap();
    assert!(left.len() > 20 && left.len() < 60, "{}", left.len());
    assert_eq!(text("x-crossgrant-cut"), "x-crossgrant-reasons");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_reply_arrives_and_is_never_called_undeliverable() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let (publisher, _) = publisher_of(Lane::Replies, &settings);
    publisher.publish(&[]).await.unwrap(); // declares
    let (conn, asking) = channel(&rabbit).await;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let direct = "amq.rabbitmq.reply-to";
    let mut replies = asking.basic_consume(direct.into(), "".into(), options, FieldTable::default()).await.unwrap();
    let ask = BasicProperties::default().with_reply_to(direct.into());
    let (exchange, key) = (settings.topology.jobs_exchange(), "job.grant".into());
    asking.basic_publish(exchange.as_str().into(), key, BasicPublishOptions::default(), b"{}", ask).await.unwrap();
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    soon("the request", journal.taken.subscribe().wait_for(|taken| !taken.is_empty())).await.unwrap();
    let reply_to = journal.taken.borrow()[0].reply_to.clone().unwrap();
    assert_eq!(reply_to_fault(&reply_to, "crossgrant"), None, "as the broker has written it: {reply_to}");

    assert_eq!(publisher.publish(&[event("r", "", &reply_to)]).await.unwrap(), [Delivered::Confirmed]);
    let reply = soon("the reply", replies.next()).await.unwrap().unwrap();
    assert_eq!(reply.properties.message_id().as_ref().map(|id| id.as_str()), Some("r"));
    conn.close(200, "gone".into()).await.unwrap();
    let late = publisher.publish(&[event("late", "", &reply_to)]).await.unwrap();
    assert_eq!(late, [Delivered::Confirmed], "lost with the client's channel, and there is nothing to send again");
    consuming.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_to_publish_is_checked_and_nothing_is_delivered_by_that() {
    let rabbit = shared_rabbit();
    let mut settings = settings(&rabbit);
    let settings_of_all = settings.clone();
    publisher(&settings).0.publish(&[]).await.unwrap(); // declares
    assert_eq!(missing_rights(&settings).await.unwrap(), []);
    let prefix = settings.topology.prefix().to_owned();
    let user = format!("least-{prefix}");
    rabbit.ctl(&["add_user", &user, "secret"]).unwrap();
    let own = format!("^{prefix}");
    let rights_to = |write: &str, read: &str| {
        rabbit.ctl(&["set_permissions", "-p", "/", &user, &own, write, read]).unwrap();
    };
    let rights = |write: &str| rights_to(write, &own);

    // Everything is taken down that reaches the events exchange.
    let (_conn, channel) = channel(&rabbit).await;
    let (events, all) = (settings.topology.events_exchange(), format!("{prefix}-all"));
    channel.queue_declare(all.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default()).await.unwrap();
    let options = QueueBindOptions::default();
    channel
        .queue_bind(all.as_str().into(), events.as_str().into(), "#".into(), options, FieldTable::default())
        .await
        .unwrap();

    let url = rabbit.amqp_url();
    let host = url.split_once('@').unwrap().1;
    settings.urls = vec![SecretString::from(format!("amqp://{user}:secret@{host}"))];
    let said = async || {
        let missing = missing_rights(&settings).await.unwrap();
        missing.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    rights(&own);
    let missing = said().await;
    assert!(missing.len() == 1 && missing[0].contains("exchange amq.default"), "{missing:?}");
    rights("^(amq[.]default|none)$");
    let missing = said().await;
    assert!(missing.len() == 1 && missing[0].contains(&format!("exchange {events}")), "{missing:?}");
    assert!(missing[0].contains("ACCESS_REFUSED") && !missing[0].contains("secret"), "{missing:?}");

    // To take messages is another right; nothing is taken to find out.
    submit(&settings_of_all, 0..1).await;
    rights_to(&format!("^(amq[.]default$|{prefix})"), &format!("^{prefix}[.]dead-lettered"));
    let missing = said().await;
    let [jobs, batches] = &missing[..] else { panic!("{missing:?}") };
    assert!(jobs.contains(&format!("read queue {prefix}.jobs, so its")), "{jobs}");
    assert!(batches.contains(&format!("read queue {prefix}.batches, so its")), "{batches}");
    rights_to(&format!("^(amq[.]default$|{prefix})"), &own);
    assert_eq!((said().await, depth(&rabbit, &settings.topology.jobs_queue()).await), (vec![], 1));
    rights("^(amq[.]default|none)$");
    let missing = said().await;

    // What it says to type is what is missing.
    let typed = missing[0].split_once("rabbitmqctl ").unwrap().1.replace(['\'', '"'], "");
    rabbit.ctl(&typed.split(' ').collect::<Vec<_>>()).unwrap();
    assert_eq!(said().await, Vec::<String>::new());
    assert_eq!(depth(&rabbit, &all).await, 0, "nothing was delivered");
    // So does a worker with these rights: it declares, binds, consumes and publishes.
    let verdicts = publisher_of(Lane::Replies, &settings).0.publish(&[event("e", "", &all)]).await.unwrap();
    assert_eq!((verdicts, depth(&rabbit, &all).await), (vec![Delivered::Confirmed], 1));
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    channel.queue_delete(all.as_str().into(), Default::default()).await.unwrap();
    rabbit.ctl(&["delete_user", &user]).unwrap();
}
