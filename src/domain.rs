//! The words of the field, as types: ids, order types, hours, the job contract and its events. No IO, no clock, no tokio.

pub mod base64;
mod batch;
mod causes;
mod cloud;
mod code;
pub mod contract;
mod duration;
mod event;
mod hours;
pub mod idempotency_key;
mod ids;
mod instance;
mod job;
mod live;
mod nearest;
mod operation;
mod order_type;
mod reason;
pub mod reply_to;
mod secret_url;
mod site;
mod spoken;
mod strict_json;
mod trace;
mod visible;
pub mod webhook;
mod words;

pub use batch::{BatchTerms, MAX_BATCH, OnFailure};
pub use causes::causes;
pub use cloud::{Attachment, ChildInstance, Edition, GrantRule, ListedAttachment, TransitRouter};
pub use code::Code;
pub use duration::{BadDuration, parse_duration};
pub use event::{
    BatchEventType, CONTENT_TYPE, Event, EventType, SCHEMA_VERSION, TYPE_PREFIX, Topic, event_source, schema_uri,
};
pub use hours::Hour;
pub use ids::{AccountUid, BadName, BatchId, CenId, InstanceId, JobId, JobUid, Region, Requester};
pub use instance::{Cen, Instance, InstanceType};
pub use job::{Attachments, Job, Kind, Mode, hex};
pub use live::Live;
pub use nearest::did_you_mean;
pub use operation::{CalledAs, Operation, Product, Purpose};
pub use order_type::OrderType;
pub use reason::{REASONS_VERSION, Reason};
pub use secret_url::without_secrets;
pub use site::Site;
pub use spoken::{spoken, whole_second};
pub use trace::{JobTrace, Sampling, TraceContext};
pub use visible::{visible, visible_lines};
pub(crate) use words::{listed, words};
