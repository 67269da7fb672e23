//! The words of the field, as types: ids, order types, hours, the job contract and its events. No IO, no clock, no tokio.

mod hours;
mod ids;
mod instance;
mod order_type;

pub use hours::Hour;
pub use ids::{AccountUid, BadName, CenId, InstanceId, JobId, JobUid, Region, Requester};
pub use instance::{Cen, Instance, InstanceType};
pub use order_type::OrderType;
