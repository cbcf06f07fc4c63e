//! `AWS::IAM::RolePolicy`: an inline policy of a role that is described elsewhere.

use std::collections::BTreeMap;

use super::{POLICY_TAKES, permit};
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema};
use crate::services::iam::account::already_exists;
use crate::services::iam::names::check_name;
use crate::services::iam::policy::{Kind, Policy};
use crate::services::iam::quotas;
use crate::{ApiError, World};

pub(super) const SCHEMA: Schema = Schema {
    properties: &["PolicyDocument", "PolicyName", "RoleName"],
    required: &["PolicyDocument", "PolicyName", "RoleName"],
    create_only: &["PolicyName", "RoleName"],
    creation_takes: POLICY_TAKES,
    identifier: Identifier::None,
    readable: None,
};

/// The properties of an inline policy.
struct Wanted {
    name: String,
    role: String,
    policy: Policy,
}

impl Wanted {
    fn of(order: &Order) -> Result<Self, ApiError> {
        let mut input = order.input()?;
        let wanted = Self {
            name: input.required("PolicyName")?,
            role: input.required("RoleName")?,
            policy: Policy::new(Kind::Identity, &input.value("PolicyDocument").unwrap_or_default())?,
        };
        input.finish()?;
        check_name("policyName", &wanted.name, 1..=128)?;
        Ok(wanted)
    }

    /// The physical id: both parts of what identifies an inline policy.
    fn id(&self) -> String {
        format!("{}|{}", self.name, self.role)
    }
}

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let wanted = Wanted::of(order)?;
    permit(world, &order.caller, "iam:PutRolePolicy", &wanted.role, None)?;
    let role = world.iam.role(&order.caller.account, &wanted.role)?;
    if role.permissions.inline.contains_key(&wanted.name) {
        return Err(already_exists(&format!("Policy with name {}", wanted.name)));
    }
    put(world, order, wanted)
}

pub(super) fn update(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let wanted = Wanted::of(order)?;
    permit(world, &order.caller, "iam:PutRolePolicy", &wanted.role, None)?;
    put(world, order, wanted)
}

pub(super) fn delete(world: &mut World, order: &Order) -> Result<(), ApiError> {
    let wanted = Wanted::of(order)?;
    if world.iam.role(&order.caller.account, &wanted.role).is_err() {
        return Ok(());
    }
    permit(world, &order.caller, "iam:DeleteRolePolicy", &wanted.role, None)?;
    world.iam.role_mut(&order.caller.account, &wanted.role)?.permissions.inline.remove(&wanted.name);
    Ok(())
}

fn put(world: &mut World, order: &Order, wanted: Wanted) -> Result<Created, ApiError> {
    let id = wanted.id();
    let mut permissions = world.iam.role(&order.caller.account, &wanted.role)?.permissions.clone();
    permissions.inline.insert(wanted.name, wanted.policy);
    quotas::check(&world.iam, &wanted.role, &permissions)?;
    world.iam.role_mut(&order.caller.account, &wanted.role)?.permissions = permissions;
    Ok(Created { physical_id: id, attributes: BTreeMap::new() })
}
