//! What an outsider does to the cloud, without a call and without its checks: changes that a worker must notice.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accounts::AccessKey;
use super::handle::Simulator;
use super::history::{AsOf, Stamp};
use super::ledger::LedgerEffect;
use super::state::SimulatorState;
use super::world::{AttachmentState, Status, WorldGrant};
use crate::domain::{AccountUid, CenId, InstanceId, OrderType};

/// A change that is made at once, by an outsider. As JSON: `{"revoke": {"cen": "cen-…", "instance": "vpc-…"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OutsideChange {
    /// Grants an instance, or replaces its grant.
    Grant {
        /// The CEN that may attach the instance.
        cen: CenId,
        /// The granted instance.
        instance: InstanceId,
        /// The payer, which takes effect at once.
        order_type: OrderType,
    },
    /// Ends a grant, even if the instance is attached.
    Revoke {
        /// The CEN that could attach the instance.
        cen: CenId,
        /// The granted instance.
        instance: InstanceId,
    },
    /// Attaches an instance, even one that is not granted; the attachment is `Attached` at once.
    Attach {
        /// The transit router; it decides the CEN.
        transit_router: String,
        /// The instance to attach.
        instance: InstanceId,
    },
    /// Ends every attachment of an instance in a CEN at once.
    Detach {
        /// The CEN whose attachments end.
        cen: CenId,
        /// The attached instance.
        instance: InstanceId,
    },
    /// Writes payers at once; those that are absent stay as they are.
    SetOrderType {
        /// The CEN of the grant.
        cen: CenId,
        /// The granted instance.
        instance: InstanceId,
        /// The payer on the grant.
        #[serde(default)]
        order_type: Option<OrderType>,
        /// The payer that billing uses.
        #[serde(default)]
        effective_order_type: Option<OrderType>,
        /// The payer on every attachment.
        #[serde(default)]
        attachment_order_type: Option<OrderType>,
    },
    /// Changes what an account needs for its grants; what is absent stays as it is.
    SetAccount {
        /// An account of the world.
        uid: AccountUid,
        /// Whether it has activated the transit-router service.
        #[serde(default)]
        transit_router_service: Option<bool>,
        /// Whether its service-linked role exists, or the caller of a grant may create it.
        #[serde(default)]
        service_linked_role: Option<bool>,
    },
    /// Gives a long-lived key another secret.
    SetSecret {
        /// The id of the key.
        access_key_id: String,
        /// What requests have to be signed with from now on.
        secret: String,
    },
    /// Ends a session, or disables a long-lived key.
    EndKey {
        /// The id of the key.
        access_key_id: String,
    },
}

impl Simulator {
    /// Makes a change without a call; the ledger names it `sim:…`.
    ///
    /// # Errors
    /// Says which of the things that the change names does not exist.
    pub fn change(&self, change: OutsideChange) -> Result<(), String> {
        self.with(|state, now| {
            let stamp = state.world.write_stamp(now);
            let (name, effect) = state.change(change, stamp)?;
            state.enter(name, None, now, effect);
            Ok(())
        })
    }
}

impl SimulatorState {
    fn change(&mut self, change: OutsideChange, stamp: Stamp) -> Result<(&'static str, LedgerEffect), String> {
        let world = &mut self.world;
        match change {
            OutsideChange::Grant { cen, instance, order_type } => {
                if !world.cens.contains_key(&cen) || !world.instances.contains_key(&instance) {
                    return Err(format!("there is no {cen}, or no {instance}"));
                }
                world.put_grant(&cen, &instance, stamp, Some(WorldGrant::new(order_type, stamp.at)));
                Ok(("sim:grant", LedgerEffect::on(cen, instance, Some(order_type))))
            }
            OutsideChange::Revoke { cen, instance } => {
                world.grant_of(&cen, &instance, AsOf::Now).ok_or("there is no such grant")?;
                world.put_grant(&cen, &instance, stamp, None);
                Ok(("sim:revoke", LedgerEffect::on(cen, instance, None)))
            }
            OutsideChange::Attach { transit_router, instance } => {
                let cen = world.routers.get(&transit_router).ok_or("there is no such transit router")?.cen.clone();
                world.instances.get(&instance).ok_or("there is no such instance")?;
                let id = format!("tr-attach-sim{:013}", stamp.seq);
                world.attach(stamp, &id, &transit_router, &instance, Status::Attached, None);
                Ok(("sim:attach", LedgerEffect { attachment: Some(id), ..LedgerEffect::on(cen, instance, None) }))
            }
            OutsideChange::Detach { cen, instance } => {
                let ids: Vec<_> =
                    world.attachments_of(&cen, &instance).into_iter().map(|(id, _)| id.to_owned()).collect();
                world.due.retain(|(_, id)| !ids.contains(id));
                ids.iter().for_each(|id| world.put_attachment(id, stamp, None));
                Ok(("sim:detach", LedgerEffect::on(cen, instance, None)))
            }
            OutsideChange::SetOrderType { cen, instance, order_type, effective_order_type, attachment_order_type } => {
                let grant = world.grant_of(&cen, &instance, AsOf::Now).ok_or("there is no such grant")?.clone();
                let written = order_type.unwrap_or(grant.order_type);
                let effective = effective_order_type.unwrap_or(grant.effective);
                let turned = grant.turned.filter(|_| effective_order_type.is_none());
                world.put_grant(
                    &cen,
                    &instance,
                    stamp,
                    Some(WorldGrant { order_type: written, effective, turned, ..grant }),
                );
                world.payer_changed(stamp.at, &cen, &instance, attachment_order_type.unwrap_or(written));
                let attachments: Vec<(String, AttachmentState)> =
                    world.attachments_of(&cen, &instance).into_iter().map(|(id, a)| (id.into(), a.clone())).collect();
                for (id, attachment) in attachments {
                    let order_type = attachment_order_type.unwrap_or(attachment.order_type);
                    world.put_attachment(&id, stamp, Some(AttachmentState { order_type, ..attachment }));
                }
                Ok(("sim:set_order_type", LedgerEffect::on(cen, instance, Some(written))))
            }
            OutsideChange::SetAccount { uid, transit_router_service, service_linked_role } => {
                let account = world.accounts.get_mut(&uid).ok_or("there is no such account")?;
                account.transit_router_service = transit_router_service.unwrap_or(account.transit_router_service);
                account.service_linked_role = service_linked_role.unwrap_or(account.service_linked_role);
                Ok(("sim:set_account", LedgerEffect::default()))
            }
            OutsideChange::SetSecret { access_key_id, secret } => {
                let (_, key) = world.keys.get_mut(&access_key_id).ok_or("there is no such access key")?;
                key.secret = secret;
                Ok(("sim:set_secret", LedgerEffect::default()))
            }
            OutsideChange::EndKey { access_key_id } => {
                let (_, key): &mut (_, AccessKey) =
                    world.keys.get_mut(&access_key_id).ok_or("there is no such access key")?;
                match key.token {
                    Some(_) => key.expires = Some(stamp.at),
                    None => key.disabled = true,
                }
                Ok(("sim:end_key", LedgerEffect::default()))
            }
        }
    }
}
