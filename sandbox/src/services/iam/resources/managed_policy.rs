//! `AWS::IAM::ManagedPolicy`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{POLICY_TAKES, permit};
use crate::input::JsonInput;
use crate::request::Caller;
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set};
use crate::services::iam::account::{Permissions, delete_conflict};
use crate::services::iam::names::{check_name, check_path};
use crate::services::iam::policy::{Kind, Policy};
use crate::services::iam::quotas;
use crate::{ApiError, World};

pub(super) const SCHEMA: Schema = Schema {
    properties: &["Description", "ManagedPolicyName", "Path", "PolicyDocument", "Roles"],
    required: &["PolicyDocument"],
    create_only: &["Description", "ManagedPolicyName", "Path"],
    creation_takes: POLICY_TAKES,
    identifier: Identifier::None,
    readable: Some(&["PolicyDocument", "Roles"]),
};

/// The longest name of a policy (IAM user guide, "IAM and AWS STS quotas").
const LONGEST_NAME: usize = 128;

/// The properties of a managed policy.
struct Wanted {
    name: Option<String>,
    path: String,
    policy: Policy,
    roles: BTreeSet<String>,
}

impl Wanted {
    fn read(mut input: JsonInput) -> Result<Self, ApiError> {
        let wanted = Self {
            name: input.text("ManagedPolicyName")?,
            path: input.text("Path")?.unwrap_or_else(|| "/".to_owned()),
            policy: Policy::new(Kind::Identity, &input.value("PolicyDocument").unwrap_or_default())?,
            roles: input.texts("Roles")?.into_iter().collect(),
        };
        input.text("Description")?;
        input.finish()?;
        check_path(&wanted.path)?;
        quotas::check_managed(&wanted.policy)?;
        Ok(wanted)
    }
}

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let wanted = Wanted::read(order.input()?)?;
    let name = wanted.name.clone().unwrap_or_else(|| order.generated_name(world, LONGEST_NAME));
    check_name("policyName", &name, 1..=LONGEST_NAME)?;
    let arn = format!("arn:{}:iam::{}:policy{}{name}", order.caller.partition(), order.caller.account, wanted.path);
    world.authorize(&order.caller, "iam:CreatePolicy", &arn, &BTreeMap::new())?;
    world.iam.insert_policy(&arn, wanted.policy)?;
    if let Err(error) = attach(world, &order.caller, &arn, &wanted.roles) {
        world.iam.remove_policy(&arn);
        return Err(error);
    }
    Ok(created(arn))
}

pub(super) fn update(world: &mut World, order: &Order, id: &str, previous: &Value) -> Result<Created, ApiError> {
    let wanted = Wanted::read(order.input()?)?;
    let previous = Wanted::read(JsonInput::from_value(previous.clone())?)?;
    if wanted.policy != previous.policy {
        world.authorize(&order.caller, "iam:CreatePolicyVersion", id, &BTreeMap::new())?;
    }
    let gone: BTreeSet<String> = previous.roles.difference(&wanted.roles).cloned().collect();
    permit_detaching(world, &order.caller, id, &gone)?;
    attach(world, &order.caller, id, &wanted.roles.difference(&previous.roles).cloned().collect())?;
    detach(world, &order.caller, id, &gone);
    world.iam.replace_policy(id, wanted.policy)?;
    Ok(created(id.to_owned()))
}

pub(super) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    if world.iam.managed_policy(id).is_none() {
        return Ok(());
    }
    let own = Wanted::read(order.input()?)?.roles;
    permit_detaching(world, &order.caller, id, &own)?;
    world.authorize(&order.caller, "iam:DeletePolicy", id, &BTreeMap::new())?;
    detach(world, &order.caller, id, &own);
    if world.iam.is_in_use(id) {
        return Err(delete_conflict("Cannot delete a policy attached to entities."));
    }
    world.iam.remove_policy(id);
    Ok(())
}

pub(super) fn read(world: &World, order: &Order, id: &str) -> Option<Value> {
    let document = world.iam.managed_policy(id)?.document.clone();
    let roles = world.iam.roles_with(&order.caller.account, id);
    Some(set([("PolicyDocument", Some(document)), ("Roles", (!roles.is_empty()).then(|| json!(roles)))]))
}

/// Attaches a policy to all of these roles, or to none.
fn attach(world: &mut World, caller: &Caller, arn: &str, roles: &BTreeSet<String>) -> Result<(), ApiError> {
    let mut changed: Vec<(&str, Permissions)> = Vec::new();
    for role in roles {
        permit(world, caller, "iam:AttachRolePolicy", role, Some(arn))?;
        let mut permissions = world.iam.role(&caller.account, role)?.permissions.clone();
        permissions.attached.insert(arn.to_owned());
        quotas::check(&world.iam, role, &permissions)?;
        changed.push((role, permissions));
    }
    for (role, permissions) in changed {
        world.iam.role_mut(&caller.account, role)?.permissions = permissions;
    }
    Ok(())
}

/// A role that is gone has nothing attached.
fn permit_detaching(world: &mut World, caller: &Caller, arn: &str, roles: &BTreeSet<String>) -> Result<(), ApiError> {
    for role in roles {
        if world.iam.role(&caller.account, role).is_ok() {
            permit(world, caller, "iam:DetachRolePolicy", role, Some(arn))?;
        }
    }
    Ok(())
}

fn detach(world: &mut World, caller: &Caller, arn: &str, roles: &BTreeSet<String>) {
    for role in roles {
        if let Ok(role) = world.iam.role_mut(&caller.account, role) {
            role.permissions.attached.remove(arn);
        }
    }
}

fn created(arn: String) -> Created {
    Created { physical_id: arn.clone(), attributes: BTreeMap::from([("PolicyArn".to_owned(), arn)]) }
}
