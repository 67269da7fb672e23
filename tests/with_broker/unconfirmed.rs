//! Queues that never confirm: each is known by itself, and all others wait for them once.

use super::*;

/// Queues that take messages and confirm none, because their processes are suspended. Awake again, they confirm.
struct Asleep {
    rabbit: Arc<Rabbit>,
    queues: Vec<String>,
}

impl Asleep {
    async fn queues(rabbit: &Arc<Rabbit>, settings: &BrokerSettings, count: usize) -> Self {
        let (_conn, channel) = channel(rabbit).await;
        let queues: Vec<String> = (0..count).map(|n| format!("{}-asleep-{n}", settings.topology.prefix())).collect();
        for queue in &queues {
            let options = QueueDeclareOptions::durable();
            channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await.unwrap();
        }
        let asleep = Self { rabbit: rabbit.clone(), queues };
        asleep.have("suspend");
        asleep
    }

    fn have(&self, what: &str) {
        let names: Vec<String> = self.queues.iter().map(|queue| format!("<<\"{queue}\">>")).collect();
        let each = format!(
            "[sys:{what}(amqqueue:get_pid(Q)) || N <- [{}],
              {{ok, Q}} <- [rabbit_amqqueue:lookup(rabbit_misc:r(<<\"/\">>, queue, N))]].",
            names.join(", ")
        );
        self.rabbit.ctl(&["eval", &each]).unwrap();
    }

    /// How many messages each of them has got.
    async fn woken(self) -> Vec<u32> {
        self.have("resume");
        let mut depths = Vec::new();
        for queue in &self.queues {
            depths.push(depth(&self.rabbit, queue).await);
        }
        depths
    }
}

fn impatient(rabbit: &Rabbit, seconds: u64) -> BrokerSettings {
    BrokerSettings { confirm_timeout: Duration::from_secs(seconds), ..settings(rabbit) }
}

/// How often each message came to a queue, up to the message `last`.
async fn copies(replies: &mut crossgrant::broker::ExclusiveQueue, last: &str) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    loop {
        let id = soon("a message", replies.next()).await.unwrap().message_id.unwrap();
        if id == last {
            return copies;
        }
        *copies.entry(id).or_default() += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_wait_once_for_queues_that_never_confirm_and_go_out_once() {
    const ASLEEP: [usize; 3] = [7, 100, 290];
    let rabbit = shared_rabbit();
    let settings = impatient(&rabbit, 3);
    let (publisher, state) = publisher_of(Lane::Replies, &settings);
    publisher.publish(&[]).await.unwrap(); // declares
    let asleep = Asleep::queues(&rabbit, &settings, ASLEEP.len()).await;
    let submitter = Submitter::connect(Arc::new(settings.clone())).await.unwrap();
    let mut replies = submitter.replies().await.unwrap();
    let to = |n: usize| ASLEEP.iter().position(|at| *at == n).map_or(replies.name(), |at| &asleep.queues[at]);
    let batch: Vec<Outgoing> = (0..300).map(|n| event(&format!("m{n}"), "", to(n))).collect();
    let verdicts = soon("publish", publisher.publish(&batch)).await.unwrap();
    assert_eq!(verdicts.len(), batch.len());
    for (n, verdict) in verdicts.iter().enumerate() {
        let expected = if ASLEEP.contains(&n) { Delivered::Unconfirmed } else { Delivered::Confirmed };
        assert_eq!(*verdict, expected, "message {n}");
    }
    assert_eq!((state.counts().confirmed, state.counts().refused), (297, 3));
    let last = [event("last", "", replies.name())];
    assert_eq!(soon("publish", publisher.publish(&last)).await.unwrap(), [Delivered::Confirmed]);
    let copies = copies(&mut replies, "last").await;
    assert!(copies.len() == 297 && copies.values().all(|copies| *copies == 1), "{copies:?}");
    assert_eq!(asleep.woken().await, [1, 1, 1]);
}

/// The broker may not have come to the last of them: it stops reading where too much waits for one queue.
#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_confirmed_only_the_first_are_blamed() {
    let rabbit = shared_rabbit();
    let settings = impatient(&rabbit, 1);
    let (publisher, _) = publisher_of(Lane::Replies, &settings);
    publisher.publish(&[]).await.unwrap(); // declares
    let asleep = Asleep::queues(&rabbit, &settings, 1).await;
    let batch: Vec<Outgoing> = (0..100).map(|n| event(&format!("m{n}"), "", &asleep.queues[0])).collect();
    let verdicts = soon("publish", publisher.publish(&batch)).await.unwrap();
    assert_eq!(verdicts, vec![Delivered::Unconfirmed; 64]);
    let one = soon("publish", publisher.publish(&batch[99..])).await.unwrap();
    assert_eq!(one, [Delivered::Unconfirmed]);
    assert_eq!(asleep.woken().await, [101]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_waits_once_though_other_messages_close_the_connection() {
    let rabbit = shared_rabbit();
    let settings = impatient(&rabbit, 1);
    let (publisher, _) = publisher_of(Lane::Replies, &settings);
    publisher.publish(&[]).await.unwrap(); // declares
    let asleep = Asleep::queues(&rabbit, &settings, 2).await;
    let submitter = Submitter::connect(Arc::new(settings.clone())).await.unwrap();
    let mut replies = submitter.replies().await.unwrap();
    let to = |n: usize| match n {
        3 | 150 => "amq.rabbitmq.reply-to.AAAA.k",
        20 => &asleep.queues[0],
        220 => &asleep.queues[1],
        _ => replies.name(),
    };
    let batch: Vec<Outgoing> = (0..300).map(|n| event(&format!("m{n}"), "", to(n))).collect();
    let (mut verdicts, mut calls) = (Vec::new(), 0);
    while verdicts.len() < batch.len() {
        let more = soon("publish", publisher.publish(&batch[verdicts.len()..])).await.unwrap();
        assert!(more.iter().filter(|verdict| **verdict == Delivered::Unconfirmed).count() <= 1, "{more:?}");
        verdicts.extend(more);
        calls += 1;
    }
    assert!(calls <= 3, "{calls}");
    for (n, verdict) in verdicts.iter().enumerate() {
        match n {
            3 | 150 => assert!(matches!(verdict, Delivered::Unpublishable(_)), "message {n}: {verdict:?}"),
            20 | 220 => assert_eq!(*verdict, Delivered::Unconfirmed, "message {n}"),
            _ => assert_eq!(*verdict, Delivered::Confirmed, "message {n}"),
        }
    }
    publisher.publish(&[event("last", "", replies.name())]).await.unwrap();
    let copies = copies(&mut replies, "last").await;
    assert!(copies.values().all(|copies| *copies <= 4 * calls), "{copies:?}");
    asleep.woken().await;
}
