//! Sets the copy of an organization up in a sandbox, with everything that is to go wrong in it.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::{AccountId, Region};
use jiff::Timestamp;
use sandbox::{AccountState, ApiError, Credentials, FaultEffect, KeyStatus, LastUse, Upcoming, World};

use super::failures::{Injected, What};
use super::original::{Member, Original, User};
use crate::aws::users;
use crate::fleet::Access;

/// How many rotations are under way at once: each is a process.
const ROTATIONS: usize = 100;

/// How long a new key is refused, as in AWS.
const NEW_KEYS_FAIL_FOR: Duration = Duration::from_secs(3);

/// For how long an account has been there that is not new.
const A_YEAR: Duration = Duration::from_hours(24 * 365);

/// How many calls are throttled.
const THROTTLED: usize = 4;

/// Gives the key of the caller there, and the unit that all accounts are in.
pub(super) fn populate(
    world: &mut World,
    (original, region): (&Original, &Region),
    access: &Access,
    injected: &[Injected],
) -> Result<(Credentials, Vec<String>), ApiError> {
    world.rotate_at_once(ROTATIONS);
    let caller = original.caller.as_str();
    let administrator = world.create_account_in(caller, region.as_str())?;
    let root = world.create_organization(caller)?;
    let unit = world.create_organizational_unit(&root, "copy")?;
    for member in &original.members {
        let is_closed = injected.iter().any(|it| it.account == member.account && it.what == What::NoRole);
        add_member(world, &unit, original, member, access, is_closed)?;
    }
    for left_out in &original.unused {
        world.create_member_account(&unit, left_out.account.as_str(), &left_out.name)?;
        world.set_account_state(left_out.account.as_str(), AccountState::Suspended)?;
    }
    for Injected { account, what } in injected {
        if let What::Denied { action } = what {
            deny(world, account, &original.caller, access, action)?;
        }
    }
    sabotage(world, injected);
    // All keys so far are old.
    world.fail_new_keys_for(NEW_KEYS_FAIL_FOR);
    Ok((administrator, vec![unit]))
}

fn add_member(
    world: &mut World,
    unit: &str,
    original: &Original,
    member: &Member,
    access: &Access,
    is_closed: bool,
) -> Result<(), ApiError> {
    let account = member.account.as_str();
    if member.account != original.caller {
        world.create_member_account(unit, account, &member.name)?;
        if !member.is_new {
            let before = world.now().saturating_sub(A_YEAR).unwrap_or(Timestamp::MIN);
            world.backdate_account(account, before)?;
        }
        world.delete_role(account, OWN_ROLE)?;
        if member.users.is_some() && !is_closed {
            open(world, account, original, access)?;
        }
    }
    member.users.iter().flatten().try_for_each(|user| add_user(world, account, user))
}

/// The role that a sandbox puts into every new account.
const OWN_ROLE: &str = "OrganizationAccountAccessRole";

/// Puts the fleet's role into an account.
fn open(world: &mut World, account: &str, original: &Original, access: &Access) -> Result<(), ApiError> {
    let condition = access.external_id.as_ref().map_or_else(serde_json::Map::new, |id| {
        let condition = serde_json::json!({ "StringEquals": { "sts:ExternalId": id } });
        serde_json::Map::from_iter([("Condition".to_owned(), condition)])
    });
    let mut statement = serde_json::json!({
        "Effect": "Allow",
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Principal": { "AWS": format!("arn:{}:iam::{}:root", original.partition, original.caller) },
    });
    if let Some(fields) = statement.as_object_mut() {
        fields.extend(condition);
    }
    let trust = serde_json::json!({ "Version": "2012-10-17", "Statement": statement });
    let everything = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    world.create_role(account, &access.role, &trust.to_string())?;
    world.put_role_policy(account, role_name(access), "everything", everything)
}

/// The name of the fleet's role, without its path.
fn role_name(access: &Access) -> &str {
    access.role.rsplit('/').next().unwrap_or_default()
}

fn add_user(world: &mut World, account: &str, User { person, keys }: &User) -> Result<(), ApiError> {
    let name = person.name.as_str();
    world.create_user(account, name, &person.path)?;
    person.tags.iter().try_for_each(|(key, value)| world.tag_user(account, name, key, value))?;
    for group in &person.groups {
        // The first user of a group makes it.
        world
            .create_group(account, group)
            .or_else(|error| error.is("EntityAlreadyExists").then_some(()).ok_or(error))?;
        world.add_user_to_group(account, name, group)?;
    }
    for (key, used) in keys {
        let made = world.create_access_key(account, name)?.access_key_id;
        let used = used.as_ref().map(|used| LastUse {
            at: used.at,
            service: used.service.clone(),
            region: used.region.clone(),
        });
        world.backdate_access_key(&made, key.created, used)?;
        if key.status == users::KeyStatus::Inactive {
            world.set_access_key_status(&made, KeyStatus::Inactive)?;
        }
    }
    Ok(())
}

/// Forbids an action to whoever enters the account.
fn deny(
    world: &mut World,
    account: &AccountId,
    caller: &AccountId,
    access: &Access,
    action: &str,
) -> Result<(), ApiError> {
    let forbidden = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": { "Effect": "Deny", "Action": action, "Resource": "*" },
    });
    if account == caller {
        return world.put_user_policy(account.as_str(), "administrator", "forbidden", &forbidden.to_string());
    }
    // An account that cannot be entered in AWS has no role in the copy either.
    let denied = world.put_role_policy(account.as_str(), role_name(access), "forbidden", &forbidden.to_string());
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
