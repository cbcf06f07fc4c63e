//! `AWS::IAM::Role`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::{about_boundary, about_policy, permit, permit_about};
use crate::input::JsonInput;
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set, tags};
use crate::services::iam::account::{Permissions, Role, already_exists, delete_conflict};
use crate::services::iam::names::{check_name, check_path, folded, unique_id};
use crate::services::iam::policy::{Kind, Policy};
use crate::services::iam::quotas;
use crate::{ApiError, World};

pub(super) const SCHEMA: Schema = Schema {
    properties: &[
        "AssumeRolePolicyDocument",
        "Description",
        "ManagedPolicyArns",
        "MaxSessionDuration",
        "Path",
        "PermissionsBoundary",
        "Policies",
        "RoleName",
        "Tags",
    ],
    required: &["AssumeRolePolicyDocument"],
    create_only: &["Path", "RoleName"],
    creation_takes: Duration::from_secs(17),
    identifier: Identifier::Property("RoleName"),
    readable: Some(&[
        "AssumeRolePolicyDocument",
        "Description",
        "ManagedPolicyArns",
        "MaxSessionDuration",
        "PermissionsBoundary",
        "Policies",
        "Tags",
    ]),
};

/// The longest name of a role (IAM user guide, "IAM and AWS STS quotas").
const LONGEST_NAME: usize = 64;

/// How long a session may last, in seconds, and what holds when nobody says (IAM API reference, CreateRole).
const SESSIONS: std::ops::RangeInclusive<i64> = 3600..=43_200;

/// The properties of a role.
struct Wanted {
    name: Option<String>,
    path: String,
    trust: Policy,
    description: Option<String>,
    longest_session: Duration,
    tags: BTreeMap<String, String>,
    permissions: Permissions,
}

impl Wanted {
    fn read(mut input: JsonInput) -> Result<Self, ApiError> {
        let seconds = input.number("MaxSessionDuration")?.unwrap_or(*SESSIONS.start());
        if !SESSIONS.contains(&seconds) {
            return Err(ApiError::new("ValidationError", format!("MaxSessionDuration {seconds} is out of range")));
        }
        let trust = input.value("AssumeRolePolicyDocument").unwrap_or_default();
        let wanted = Self {
            name: input.text("RoleName")?,
            path: input.text("Path")?.unwrap_or_else(|| "/".to_owned()),
            trust: Policy::new(Kind::Trust, &trust)?,
            description: input.text("Description")?,
            longest_session: Duration::from_secs(seconds.unsigned_abs()),
            tags: input.tags("Tags")?,
            permissions: Permissions {
                inline: inline_policies(&mut input)?,
                attached: input.texts("ManagedPolicyArns")?.into_iter().collect(),
                boundary: input.text("PermissionsBoundary")?,
            },
        };
        input.finish()?;
        check_path(&wanted.path)?;
        Ok(wanted)
    }

    fn of(order: &Order) -> Result<Self, ApiError> {
        Self::read(order.input()?)
    }

    /// The actions, each with the managed policy it is about, that it takes to get from `previous` to these
    /// properties.
    fn actions_from<'a>(&'a self, previous: &'a Self) -> Vec<(&'static str, Option<&'a str>)> {
        let mut actions = Vec::new();
        let mut need = |action, is_needed| {
            if is_needed {
                actions.push((action, None))
            }
        };
        let (old, new) = (&previous.permissions, &self.permissions);
        need("iam:UpdateAssumeRolePolicy", self.trust != previous.trust);
        let settings = |wanted: &Self| (wanted.description.clone(), wanted.longest_session);
        need("iam:UpdateRole", settings(self) != settings(previous));
        need("iam:TagRole", self.tags.iter().any(|(key, value)| previous.tags.get(key) != Some(value)));
        need("iam:UntagRole", previous.tags.keys().any(|key| !self.tags.contains_key(key)));
        need("iam:PutRolePolicy", new.inline.iter().any(|(name, policy)| old.inline.get(name) != Some(policy)));
        need("iam:DeleteRolePolicy", old.inline.keys().any(|name| !new.inline.contains_key(name)));
        need("iam:PutRolePermissionsBoundary", new.boundary != old.boundary && new.boundary.is_some());
        need("iam:DeleteRolePermissionsBoundary", new.boundary.is_none() && old.boundary.is_some());
        let attach = new.attached.difference(&old.attached).map(|arn| ("iam:AttachRolePolicy", Some(arn.as_str())));
        let detach = old.attached.difference(&new.attached).map(|arn| ("iam:DetachRolePolicy", Some(arn.as_str())));
        actions.extend(attach.chain(detach));
        actions
    }
}

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let wanted = Wanted::of(order)?;
    let account = &order.caller.account;
    let name = wanted.name.clone().unwrap_or_else(|| order.generated_name(world, LONGEST_NAME));
    check_name("roleName", &name, 1..=LONGEST_NAME)?;
    let arn = format!("arn:{}:iam::{account}:role{}{name}", order.caller.partition(), wanted.path);
    permit_creation(world, order, &wanted, &arn)?;
    quotas::check_trust(&wanted.trust)?;
    quotas::check(&world.iam, &name, &wanted.permissions)?;
    let role = Role {
        id: unique_id(world, "AROA"),
        name,
        arn,
        trust: wanted.trust,
        description: wanted.description,
        longest_session: wanted.longest_session,
        tags: wanted.tags,
        permissions: wanted.permissions,
    };
    let created = created(&role);
    world.iam.insert_role(role)?;
    Ok(created)
}

fn permit_creation(world: &mut World, order: &Order, wanted: &Wanted, arn: &str) -> Result<(), ApiError> {
    let boundary = about_boundary(wanted.permissions.boundary.as_deref());
    let tags = wanted.tags.iter().map(|(key, value)| (format!("aws:RequestTag/{key}"), value.clone()));
    let context: BTreeMap<String, String> = boundary.clone().into_iter().chain(tags).collect();
    world.authorize(&order.caller, "iam:CreateRole", arn, &context)?;
    if !wanted.tags.is_empty() {
        world.authorize(&order.caller, "iam:TagRole", arn, &context)?;
    }
    if !wanted.permissions.inline.is_empty() {
        world.authorize(&order.caller, "iam:PutRolePolicy", arn, &boundary)?;
    }
    for policy in &wanted.permissions.attached {
        let about = boundary.clone().into_iter().chain(about_policy(Some(policy))).collect();
        world.authorize(&order.caller, "iam:AttachRolePolicy", arn, &about)?;
    }
    Ok(())
}

pub(super) fn update(world: &mut World, order: &Order, id: &str, previous: &Value) -> Result<Created, ApiError> {
    let (wanted, previous) = (Wanted::of(order)?, Wanted::read(JsonInput::from_value(previous.clone())?)?);
    for (action, policy) in wanted.actions_from(&previous) {
        match action {
            "iam:PutRolePermissionsBoundary" => {
                let about = about_boundary(wanted.permissions.boundary.as_deref());
                permit_about(world, &order.caller, action, id, about)?;
            }
            _ => permit(world, &order.caller, action, id, policy)?,
        }
    }
    quotas::check_trust(&wanted.trust)?;
    let account = &order.caller.account;
    let mut permissions = without(&world.iam.role(account, id)?.permissions, &previous.permissions);
    permissions.inline.extend(wanted.permissions.inline);
    permissions.attached.extend(wanted.permissions.attached);
    permissions.boundary = wanted.permissions.boundary;
    quotas::check(&world.iam, id, &permissions)?;
    let role = world.iam.role_mut(account, id)?;
    role.trust = wanted.trust;
    role.description = wanted.description;
    role.longest_session = wanted.longest_session;
    role.tags = wanted.tags;
    role.permissions = permissions;
    Ok(created(role))
}

pub(super) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    let account = &order.caller.account;
    if world.iam.role(account, id).is_err() {
        return Ok(());
    }
    let own = Wanted::of(order)?.permissions;
    if !own.inline.is_empty() {
        permit(world, &order.caller, "iam:DeleteRolePolicy", id, None)?;
    }
    for policy in &own.attached {
        permit(world, &order.caller, "iam:DetachRolePolicy", id, Some(policy))?;
    }
    permit(world, &order.caller, "iam:DeleteRole", id, None)?;
    let left = without(&world.iam.role(account, id)?.permissions, &own);
    if !left.attached.is_empty() {
        return Err(delete_conflict("Cannot delete entity, must detach all policies first."));
    }
    if !left.inline.is_empty() {
        return Err(delete_conflict("Cannot delete entity, must delete policies first."));
    }
    world.iam.account_mut(account)?.roles.remove(&folded(id));
    Ok(())
}

pub(super) fn find(world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    let Some(name) = Wanted::of(order)?.name else { return Ok(None) };
    if world.iam.role(&order.caller.account, &name).is_err() {
        return Ok(None);
    }
    permit(world, &order.caller, "iam:GetRole", &name, None)?;
    world.iam.role(&order.caller.account, &name).map(|role| Some(created(role)))
}

/// Policies that others attach to the role by naming it are theirs, as far as they are in a stack.
pub(super) fn read(world: &World, order: &Order, id: &str) -> Option<Value> {
    let role = world.iam.role(&order.caller.account, id).ok()?;
    let Permissions { inline, attached, boundary } = &role.permissions;
    let policy = |(name, policy): (&String, &Policy)| json!({ "PolicyName": name, "PolicyDocument": policy.document });
    let inline: Vec<Value> = inline.iter().map(policy).collect();
    Some(set([
        ("AssumeRolePolicyDocument", Some(role.trust.document.clone())),
        ("Description", role.description.as_deref().map(Value::from)),
        ("ManagedPolicyArns", (!attached.is_empty()).then(|| json!(attached))),
        ("MaxSessionDuration", Some(role.longest_session.as_secs().into())),
        ("PermissionsBoundary", boundary.as_deref().map(Value::from)),
        ("Policies", (!inline.is_empty()).then(|| inline.into())),
        ("Tags", tags(&role.tags)),
    ]))
}

/// What a role has besides what its own resource gave it, such as policies that name it in `Roles`.
fn without(all: &Permissions, own: &Permissions) -> Permissions {
    let inline = all.inline.iter().filter(|(name, _)| !own.inline.contains_key(*name));
    Permissions {
        inline: inline.map(|(name, policy)| (name.clone(), policy.clone())).collect(),
        attached: all.attached.difference(&own.attached).cloned().collect(),
        boundary: None,
    }
}

fn created(role: &Role) -> Created {
    let attributes = [("Arn", &role.arn), ("RoleId", &role.id)];
    Created {
        physical_id: role.name.clone(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value.clone())).into(),
    }
}

fn inline_policies(input: &mut JsonInput) -> Result<BTreeMap<String, Policy>, ApiError> {
    let (mut policies, mut names) = (BTreeMap::new(), BTreeSet::new());
    for mut item in input.items("Policies")? {
        let name = item.required("PolicyName")?;
        check_name("policyName", &name, 1..=128)?;
        let policy = Policy::new(Kind::Identity, &item.value("PolicyDocument").unwrap_or_default())?;
        item.finish()?;
        if !names.insert(name.clone()) {
            return Err(already_exists(&format!("Policy with name {name}")));
        }
        policies.insert(name, policy);
    }
    Ok(policies)
}
