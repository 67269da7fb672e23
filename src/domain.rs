//! The words of the field, as types: ids, order types, hours, the job contract and its events. No IO, no clock, no tokio.

mod cloud;
mod code;
pub mod contract;
mod duration;
mod event;
mod hours;
mod ids;
mod instance;
mod job;
mod nearest;
mod operation;
mod order_type;
mod reason;
mod site;
mod strict_json;
mod visible;
mod words;

pub use cloud::{Attachment, ChildInstance, Edition, GrantRule, ListedAttachment, TransitRouter};
pub use code::Code;
pub use duration::{BadDuration, parse_duration};
pub use event::{CONTENT_TYPE, Event, EventType, TYPE_PREFIX};
pub use hours::Hour;
pub use ids::{AccountUid, BadName, CenId, InstanceId, JobId, JobUid, Region, Requester};
pub use instance::{Cen, Instance, InstanceType};
pub use job::{Attachments, Job, Kind, Mode, hex};
pub use nearest::did_you_mean;
pub use operation::{CalledAs, Operation, Product, Purpose};
pub use order_type::OrderType;
pub use reason::{REASONS_VERSION, Reason};
pub use site::Site;
pub use visible::{visible, visible_lines};
pub(crate) use words::words;
