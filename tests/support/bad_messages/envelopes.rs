//! Properties of the AMQP message that do not fit the job in it.

use serde_json::json;

use super::{Bad, good, with};

pub fn envelopes(prefix: &str) -> Vec<Bad> {
    let reserved = |queue: &str| format!("{prefix}.{queue}");
    vec![
        Bad::json("a grant sent as a revoke", &good(), &["amqp:routing_key"]).keyed("job.revoke"),
        Bad::json("a grant sent as nothing known", &good(), &["amqp:routing_key"]).keyed("job.attach"),
        Bad::json("a grant sent under half a key", &good(), &["amqp:routing_key"]).keyed("job."),
        Bad::json("a grant sent under a longer key", &good(), &["amqp:routing_key"]).keyed("job.grant.now"),
        Bad::json("answers to the jobs queue", &good(), &["amqp:reply_to"]).answered(reserved("jobs")),
        Bad::json("answers to the dead", &good(), &["amqp:reply_to"]).answered(reserved("dead")),
        Bad::json("answers to a queue to be", &good(), &["amqp:reply_to"]).answered(reserved("next")),
        Bad::json("answers to no queue", &good(), &["amqp:reply_to"]).answered(""),
        Bad::json(
            "a wrong key and a wrong kind of answer",
            &with("/mode", json!("try")),
            &["/mode", "amqp:reply_to", "amqp:routing_key"],
        )
        .keyed("job.revoke")
        .answered(reserved("jobs")),
        Bad::raw("nothing to read and no way to answer", "{").answered(reserved("dead")).found(&["", "amqp:reply_to"]),
    ]
}
