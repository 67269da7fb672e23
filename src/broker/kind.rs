//! The kinds of broker, and what each offers of that on which the worker builds. `docs/brokers.md` has more, and the pages of the
//! vendors that say so.

use std::time::Duration;

use crate::domain::words;

words! {
    /// What is spoken to. They all speak AMQP 0-9-1.
    #[derive(Default)]
    pub enum BrokerKind {
        /// RabbitMQ 3.10 to 4.x.
        #[default]
        RabbitMq = "rabbitmq",
        /// ApsaraMQ for RabbitMQ, which is another program than RabbitMQ.
        ApsaraMq = "apsaramq",
        /// Amazon MQ for RabbitMQ, which is RabbitMQ 3.13 or 4.x under the configuration of a vendor.
        AmazonMq = "amazonmq",
    }
}

/// The arguments of queues that ApsaraMQ has on every instance: *QueueHasDiffField* and *Message TTL*. Those that an instance has
/// on request only are left out.
const OF_APSARAMQ: [&str; 3] = ["x-dead-letter-exchange", "x-dead-letter-routing-key", "x-message-ttl"];

impl BrokerKind {
    /// Whether it knows this argument of a queue. One that it does not know it refuses (406) or ignores.
    pub(super) fn knows(self, argument: &str) -> bool {
        match self {
            Self::RabbitMq | Self::AmazonMq => true,
            Self::ApsaraMq => OF_APSARAMQ.contains(&argument),
        }
    }

    /// Whether a queue that the worker declares there gives its messages to one consumer at a time. If not, the workers agree by
    /// their store on which of them consumes.
    pub(super) fn has_single_active_consumer(self) -> bool {
        self.knows("x-single-active-consumer")
    }

    /// Whether it refuses a message whose `user_id` is not the user that has published it: *Validated User-ID* of RabbitMQ. No
    /// page of ApsaraMQ says so.
    pub fn verifies_user_id(self) -> bool {
        match self {
            Self::RabbitMq | Self::AmazonMq => true,
            Self::ApsaraMq => false,
        }
    }

    /// After how long it takes back a delivery that is not acknowledged, unless it is configured otherwise: `consumer_timeout` of
    /// RabbitMQ, and of Amazon MQ (*Configurable values*); *Consumption retry policies* of ApsaraMQ, by the edition that waits
    /// the least (Professional; Enterprise and Serverless wait 5 minutes, Platinum 30).
    pub fn redelivery(self) -> Duration {
        match self {
            Self::RabbitMq | Self::AmazonMq => Duration::from_secs(30 * 60),
            Self::ApsaraMq => Duration::from_secs(60),
        }
    }

    /// Whether the worker declares what it needs, unless it is told. *Usage notes* of ApsaraMQ ask to create it in the console,
    /// because declaring is throttled.
    pub fn declares(self) -> bool {
        match self {
            Self::RabbitMq | Self::AmazonMq => true,
            Self::ApsaraMq => false,
        }
    }

    /// Whether it looks at the rights of a user before it refuses a call for its arguments, so that a right can be tried without
    /// an effect.
    pub(super) fn checks_rights_first(self) -> bool {
        match self {
            Self::RabbitMq | Self::AmazonMq => true,
            Self::ApsaraMq => false,
        }
    }

    /// Whether unbinding what is not bound is no error there (*Specification errata* of RabbitMQ).
    pub(super) fn unbinds_what_is_not_bound(self) -> bool {
        match self {
            Self::RabbitMq | Self::AmazonMq => true,
            Self::ApsaraMq => false,
        }
    }
}
