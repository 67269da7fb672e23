//! A right that the worker's user lacks for a while.

use crossgrant::broker::{Inspected, inspect, missing_rights};

use super::*;

/// A user who may do everything with the names under a prefix, but for what he may write to.
struct Limited {
    rabbit: Arc<Rabbit>,
    name: String,
    own: String,
}

impl Limited {
    /// The user, and how to connect as him.
    fn of(rabbit: &Arc<Rabbit>, settings: &BrokerSettings) -> (Self, BrokerSettings) {
        let prefix = settings.topology.prefix();
        let user = Self { rabbit: rabbit.clone(), name: format!("limited-{prefix}"), own: format!("^{prefix}") };
        rabbit.ctl(&["add_user", &user.name, "secret"]).unwrap();
        let url = rabbit.amqp_url();
        let url = format!("amqp://{}:secret@{}", user.name, url.split_once('@').unwrap().1);
        (user, BrokerSettings { urls: vec![SecretString::from(url)], ..settings.clone() })
    }

    /// Gives all rights but that to the events exchange.
    fn loses_events(&self) {
        self.may_write(&format!("^(amq[.]default$|{}($|[.](jobs|batches|dead|dlx)))", &self.own[1..]));
    }

    fn may_write(&self, to: &str) {
        let own = &self.own;
        self.rabbit.ctl(&["set_permissions", "-p", "/", &self.name, own, to, own]).unwrap();
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = self.rabbit.ctl(&["delete_user", &self.name]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_wait_until_their_right_is_back() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    publisher(&settings).0.publish(&[]).await.unwrap(); // declares
    let mut tap = EventTap::open(&settings, "job.completed").await.unwrap();
    let (user, limited) = Limited::of(&rabbit, &settings);
    let (publisher, state) = publisher(&limited);
    let exchange = settings.topology.events_exchange();
    let events: Vec<Outgoing> = (0..20).map(|n| event(&format!("e{n}"), &exchange, "job.completed")).collect();
    let is_told = |error: &str| {
        assert!(error.contains(&format!("may not write to exchange {exchange}")), "{error}");
        let status = state.publishing(Lane::Events);
        assert!(status.link == Link::Down && status.last_error.unwrap().contains(&exchange), "{error}");
    };

    // From the start.
    user.loses_events();
    for _ in 0..2 {
        let error = soon("publish", publisher.publish(&events)).await.unwrap_err();
        is_told(&error.to_string());
    }
    user.may_write(&user.own);
    assert_eq!(soon("publish", publisher.publish(&events)).await.unwrap(), vec![Delivered::Confirmed; 20]);
    assert_eq!(state.publishing(Lane::Events).link, Link::Connected);

    // On a connection that stands; the channel that this leaves has not asked for the right yet.
    let nowhere = [event("nowhere", "no-such-exchange", "job.completed")];
    let verdicts = soon("publish", publisher.publish(&nowhere)).await.unwrap();
    assert!(matches!(verdicts[..], [Delivered::Unpublishable(_)]), "the fault of the message: {verdicts:?}");
    user.loses_events();
    for _ in 0..2 {
        let error = soon("publish", publisher.publish(&events[..2])).await.unwrap_err();
        is_told(&error.to_string());
    }
    user.may_write(&user.own);
    assert_eq!(soon("publish", publisher.publish(&events[..2])).await.unwrap(), vec![Delivered::Confirmed; 2]);
    assert_eq!(state.counts().unpublishable, 1, "that one message");
    for n in (0..20).chain(0..2) {
        assert_eq!(soon("event", tap.next()).await.unwrap().message_id, Some(format!("e{n}")), "once each, in order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_without_their_right_are_known_one_by_one() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    publisher(&settings).0.publish(&[]).await.unwrap(); // declares
    let (user, limited) = Limited::of(&rabbit, &settings);
    user.may_write(&user.own);
    let (publisher, state) = publisher_of(Lane::Replies, &limited);
    let dead = settings.topology.dead_queue();
    let verdicts = soon("publish", publisher.publish(&[event("a", "", &dead), event("b", "", &dead)])).await.unwrap();
    assert_eq!((verdicts.len(), state.counts().unpublishable), (2, 2), "{verdicts:?}");
    assert_eq!(state.publishing(Lane::Replies).link, Link::Connected);
}

/// Nothing is there yet, and the user may not make it: doctor says so with the command, and makes nothing by asking.
#[tokio::test(flavor = "multi_thread")]
async fn a_right_to_declare_that_is_missing_is_told_before_anything_was_declared() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let (user, limited) = Limited::of(&rabbit, &settings);
    user.rabbit.ctl(&["set_permissions", "-p", "/", &user.name, "^$", ".*", ".*"]).unwrap();
    let missing = soon("rights", missing_rights(&limited)).await.unwrap();
    let said: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let prefix = settings.topology.prefix();
    assert!(said.len() == 1 && said[0].contains(&format!("may not configure {prefix}")), "{said:#?}");
    assert!(said[0].contains("rabbitmqctl set_permissions"), "{said:#?}");
    user.may_write(&user.own);
    let missing = soon("rights", missing_rights(&limited)).await.unwrap();
    assert!(!missing.iter().any(|missing| missing.to_string().contains("configure")), "{missing:#?}");
    let found = inspect(&settings).await.unwrap();
    assert!(found.iter().all(|(_, _, how)| *how == Inspected::Missing), "asking made something: {found:?}");
}
