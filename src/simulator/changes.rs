//! What somebody else does to the cloud, past every rule: the changes a worker must notice.

use serde::{Deserialize, Serialize};

use super::accounts::AccessKey;
use super::history::AsOf;
use super::ledger::Effect;
use super::world::{Attachment, Grant, Status};
use super::{Cloud, Simulator};
use crate::domain::{AccountUid, CenId, InstanceId, OrderType};

/// A change made at once, without a call. As JSON: `{"revoke": {"cen": "cen-…", "instance": "vpc-…"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Grants, or replaces the grant.
    Grant {
        /// To which CEN.
        cen: CenId,
        /// Which instance.
        instance: InstanceId,
        /// The payer, in effect at once.
        order_type: OrderType,
    },
    /// Takes a grant away, attached or not.
    Revoke {
        /// From which CEN.
        cen: CenId,
        /// Which instance.
        instance: InstanceId,
    },
    /// Attaches, in status `Attached`.
    Attach {
        /// To which transit router.
        transit_router: String,
        /// Which instance.
        instance: InstanceId,
    },
    /// Takes every attachment of an instance in a CEN away.
    Detach {
        /// In which CEN.
        cen: CenId,
        /// Of which instance.
        instance: InstanceId,
    },
    /// Writes order types: of the grant, in effect, of every attachment; what is absent stays.
    SetOrderType {
        /// In which CEN.
        cen: CenId,
        /// Of which instance.
        instance: InstanceId,
        /// The grant's.
        #[serde(default)]
        order_type: Option<OrderType>,
        /// What billing uses.
        #[serde(default)]
        effective_order_type: Option<OrderType>,
        /// The attachments'.
        #[serde(default)]
        attachment_order_type: Option<OrderType>,
    },
    /// Activates or ends what an account has for its grants; what is absent stays.
    SetAccount {
        /// Which account.
        uid: AccountUid,
        /// Whether it has activated the transit-router service.
        #[serde(default)]
        transit_router_service: Option<bool>,
        /// Whether its service-linked role is there, or may be made by the caller of a grant.
        #[serde(default)]
        service_linked_role: Option<bool>,
    },
    /// Ends a session, or disables a long-lived key.
    EndKey {
        /// Which key.
        access_key_id: String,
    },
}

impl Simulator {
    /// Makes a change as somebody else would.
    ///
    /// # Errors
    /// Says what the change names that does not exist.
    pub fn change(&self, change: Change) -> Result<(), String> {
        self.with(|cloud, now| {
            let stamp = cloud.world.writing(now);
            let (name, effect) = cloud.change(change, stamp)?;
            cloud.enter(name, None, now, effect);
            Ok(())
        })
    }
}

impl Cloud {
    fn change(&mut self, change: Change, stamp: super::history::Stamp) -> Result<(&'static str, Effect), String> {
        let about = |cen: CenId, instance: InstanceId, order_type| {
            let (cen, instance) = (Some(cen), Some(instance));
            Effect { cen, instance, order_type, ..Effect::default() }
        };
        let world = &mut self.world;
        match change {
            Change::Grant { cen, instance, order_type } => {
                if !world.cens.contains_key(&cen) || !world.instances.contains_key(&instance) {
                    return Err(format!("no {cen} or no {instance}"));
                }
                let grant = Grant { order_type, effective: order_type, turned: None, created: stamp.at };
                world.put_grant(&cen, &instance, stamp, Some(grant));
                Ok(("sim:grant", about(cen, instance, Some(order_type))))
            }
            Change::Revoke { cen, instance } => {
                world.grant_of(&cen, &instance, AsOf::Now).ok_or("no such grant")?;
                world.put_grant(&cen, &instance, stamp, None);
                Ok(("sim:revoke", about(cen, instance, None)))
            }
            Change::Attach { transit_router, instance } => {
                let cen = world.routers.get(&transit_router).ok_or("no such transit router")?.cen.clone();
                world.instances.get(&instance).ok_or("no such instance")?;
                let id = format!("tr-attach-sim{:013}", stamp.seq);
                world.attach(stamp, &id, &transit_router, &instance, Status::Attached, None);
                Ok(("sim:attach", Effect { attachment: Some(id), ..about(cen, instance, None) }))
            }
            Change::Detach { cen, instance } => {
                let ids: Vec<_> =
                    world.attachments_of(&cen, &instance).into_iter().map(|(id, _)| id.to_owned()).collect();
                world.due.retain(|(_, id)| !ids.contains(id));
                ids.iter().for_each(|id| world.put_attachment(id, stamp, None));
                Ok(("sim:detach", about(cen, instance, None)))
            }
            Change::SetOrderType { cen, instance, order_type, effective_order_type, attachment_order_type } => {
                let grant = world.grant_of(&cen, &instance, AsOf::Now).ok_or("no such grant")?.clone();
                let written = order_type.unwrap_or(grant.order_type);
                let effective = effective_order_type.unwrap_or(grant.effective);
                let turned = grant.turned.filter(|_| effective_order_type.is_none());
                world.put_grant(
                    &cen,
                    &instance,
                    stamp,
                    Some(Grant { order_type: written, effective, turned, ..grant }),
                );
                world.payer_changed(stamp.at, &cen, &instance, attachment_order_type.unwrap_or(written));
                let attachments: Vec<(String, Attachment)> =
                    world.attachments_of(&cen, &instance).into_iter().map(|(id, a)| (id.into(), a.clone())).collect();
                for (id, attachment) in attachments {
                    let order_type = attachment_order_type.unwrap_or(attachment.order_type);
                    world.put_attachment(&id, stamp, Some(Attachment { order_type, ..attachment }));
                }
                Ok(("sim:set_order_type", about(cen, instance, Some(written))))
            }
            Change::SetAccount { uid, transit_router_service, service_linked_role } => {
                let account = world.accounts.get_mut(&uid).ok_or("no such account")?;
                account.transit_router_service = transit_router_service.unwrap_or(account.transit_router_service);
                account.service_linked_role = service_linked_role.unwrap_or(account.service_linked_role);
                Ok(("sim:set_account", Effect::default()))
            }
            Change::EndKey { access_key_id } => {
                let (_, key): &mut (_, AccessKey) = world.keys.get_mut(&access_key_id).ok_or("no such key")?;
                match key.token {
                    Some(_) => key.expires = Some(stamp.at),
                    None => key.disabled = true,
                }
                Ok(("sim:end_key", Effect::default()))
            }
        }
    }
}
