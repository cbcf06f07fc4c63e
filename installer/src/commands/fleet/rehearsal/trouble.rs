//! Has the copy of an organization be as hard to work in as the original, and everything go wrong in it that is to.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::AccountId;
use sandbox::{ApiError, FaultEffect, Upcoming, World};
use serde_json::json;

use super::failures::{Injected, What};
use super::original::{Member, Original};
use super::stage::{EVERYTHING, EXECUTION_ROLE, WORKER};
use crate::aws::stack_sets::Permissions;
use crate::fleet::engine::Engine;
use crate::fleet::{Access, Fleet};

/// How long a new key is refused, as in AWS.
const NEW_KEYS_FAIL_FOR: Duration = Duration::from_secs(3);

/// How many calls are throttled.
const THROTTLED: usize = 4;

/// The role that a sandbox puts into every new account.
const OWN_ROLE: &str = "OrganizationAccountAccessRole";

/// From here on each account can be entered as in AWS, or not at all.
pub(super) fn begin(
    world: &mut World,
    original: &Original,
    fleet: &Fleet,
    injected: &[Injected],
) -> Result<(), ApiError> {
    let is_there = |account: &AccountId| *account == original.caller || *account == original.tree.management;
    for Member { account, users, .. } in original.members.iter().filter(|member| !is_there(&member.account)) {
        let is_closed = injected.iter().any(|it| it.account == *account && it.what == What::NoRole);
        world.delete_role(account.as_str(), OWN_ROLE)?;
        if users.is_some() && !is_closed {
            open(world, account.as_str(), original, &fleet.access)?;
        }
    }
    let role = match &fleet.stack_sets.permissions {
        _ if original.engine == Engine::Direct => role_name(&fleet.access),
        Permissions::ServiceManaged { .. } => WORKER,
        Permissions::SelfManaged { execution_role, .. } => execution_role.as_deref().unwrap_or(EXECUTION_ROLE),
    };
    for Injected { account, what } in injected {
        if let What::Denied { action } = what {
            deny(world, account, original, role, action)?;
        }
    }
    sabotage(world, injected);
    // All keys so far are old.
    world.fail_new_keys_for(NEW_KEYS_FAIL_FOR);
    Ok(())
}

/// Puts the fleet's role into an account.
fn open(world: &mut World, account: &str, original: &Original, access: &Access) -> Result<(), ApiError> {
    let condition = access.external_id.as_ref().map_or_else(serde_json::Map::new, |id| {
        let condition = json!({ "StringEquals": { "sts:ExternalId": id } });
        serde_json::Map::from_iter([("Condition".to_owned(), condition)])
    });
    let mut statement = json!({
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Principal": { "AWS": format!("arn:{}:iam::{}:root", original.partition, original.caller) },
    });
    if let Some(fields) = statement.as_object_mut() {
        fields.extend(condition);
    }
    let trust = json!({ "Version": "2012-10-17", "Statement": statement });
    world.create_role(account, &access.role, &trust.to_string())?;
    world.put_role_policy(account, role_name(access), "everything", EVERYTHING)
}

/// The name of the fleet's role, without its path.
fn role_name(access: &Access) -> &str {
    access.role.rsplit('/').next().unwrap_or_default()
}

/// Forbids an action to whoever works in the account.
fn deny(world: &mut World, account: &AccountId, original: &Original, role: &str, action: &str) -> Result<(), ApiError> {
    let forbidden = json!({
        "Version": "2012-10-17",
        "Statement": { "Effect": "Deny", "Action": action, "Resource": "*" },
    });
    if *account == original.caller {
        let caller = original.administrator();
        return world.put_user_policy(account.as_str(), &caller, "forbidden", &forbidden.to_string());
    }
    // An account that cannot be entered in AWS has no role in the copy either.
    let denied = world.put_role_policy(account.as_str(), role, "forbidden", &forbidden.to_string());
    denied.or_else(|error| error.is("NoSuchEntity").then_some(()).ok_or(error))
}

/// Has calls fail.
fn sabotage(world: &mut World, injected: &[Injected]) {
    let mut left: BTreeMap<String, (What, usize)> = BTreeMap::new();
    for Injected { account, what } in injected {
        let times = match what {
            What::NoRole | What::Denied { .. } => continue,
            What::NoKeys => usize::MAX,
            What::Throttled { .. } => THROTTLED,
            What::LostAnswer { .. } => 1,
        };
        left.insert(account.to_string(), (*what, times));
    }
    world.sabotage(move |_, upcoming: &Upcoming| {
        let account = upcoming.principal.split(':').nth(4)?;
        let (what, times) = left.get_mut(account).filter(|(_, times)| *times > 0)?;
        let effect = effect(*what, &upcoming.operation)?;
        *times -= 1;
        Some(effect)
    });
}

fn effect(what: What, operation: &str) -> Option<FaultEffect> {
    match what {
        What::NoKeys if operation == "iam:CreateAccessKey" => {
            Some(FaultEffect::FailBefore(ApiError::new("AccessDenied", "explicitly denied in a rehearsal")))
        }
        What::Throttled { operation: struck } if struck == operation => {
            Some(FaultEffect::FailBefore(ApiError::new("Throttling", "Rate exceeded")))
        }
        What::LostAnswer { operation: struck } if struck == operation => Some(FaultEffect::LoseAnswer),
        What::NoRole | What::Denied { .. } | What::NoKeys | What::Throttled { .. } | What::LostAnswer { .. } => None,
    }
}
