//! Sets the copy of an organization up in a sandbox: its tree, its accounts, and the users in them.

use std::collections::BTreeSet;
use std::time::Duration;

use contract::AccountId;
use jiff::Timestamp;
use sandbox::{AccountState, ApiError, Credentials, KeyStatus, LastUse, World};
use serde_json::json;

use super::original::{Member, Original, User};
use crate::aws::stack_sets::Permissions;
use crate::aws::users;
use crate::fleet::Fleet;
use crate::fleet::engine::Engine;
use crate::fleet::targets::{LeftOut, Why};

/// How many rotations are under way at once: each is a process.
const ROTATIONS: usize = 100;

/// For how long an account has been there that is not new.
const A_YEAR: Duration = Duration::from_hours(24 * 365);

/// StackSets, as an organization knows it that has others administer it.
const STACK_SETS: &str = "member.org.stacksets.cloudformation.amazonaws.com";

/// The role that StackSets works by in an account of an organization. What its name begins with is AWS's.
pub(super) const WORKER: &str = "stacksets-exec-rehearsal";

/// The roles of self-managed permissions, unless the fleet names others.
const ADMINISTRATION_ROLE: &str = "AWSCloudFormationStackSetAdministrationRole";
pub(super) const EXECUTION_ROLE: &str = "AWSCloudFormationStackSetExecutionRole";

/// Leave to do everything.
pub(super) const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

/// Gives the key of the caller there. Every other account has the role that Organizations puts into it, for as long as
/// the copy is being made.
pub(super) fn populate(world: &mut World, original: &Original, fleet: &Fleet) -> Result<Credentials, ApiError> {
    world.rotate_at_once(ROTATIONS);
    let (caller, tree, region) = (&original.caller, &original.tree, fleet.defaults.config.region.as_str());
    let name = original.administrator();
    let administrator = world.create_account_of(&name, caller.as_str(), region)?;
    if tree.management != *caller {
        world.create_account_of(&name, tree.management.as_str(), region)?;
    }
    let management = (tree.management.as_str(), original.name_of(&tree.management));
    world.copy_organization(management, &tree.id, &tree.root)?;
    for unit in tree.units.iter().filter(|unit| unit.id != tree.root) {
        let parent = unit.parent.as_deref().unwrap_or(&tree.root);
        world.copy_organizational_unit(parent, &unit.id, &unit.id)?;
    }
    let parents = tree.parents();
    let place = |account: &AccountId| parents.get(account).copied().unwrap_or(&tree.root);
    if tree.management != *caller {
        world.invite_account(place(caller), caller.as_str(), original.name_of(caller))?;
        world.delegate_administrator(caller.as_str(), STACK_SETS)?;
    }
    world.move_account(tree.management.as_str(), place(&tree.management))?;
    let is_there = |account: &AccountId| account == caller || *account == tree.management;
    for member in &original.members {
        if !is_there(&member.account) {
            add_member(world, place(&member.account), member)?;
        }
        member.users.iter().flatten().try_for_each(|user| add_user(world, member.account.as_str(), user))?;
    }
    for LeftOut { account, name, why } in original.left_out.iter().filter(|left| !is_there(&left.account)) {
        world.create_member_account(place(account), account.as_str(), name)?;
        if matches!(why, Why::NotInUse { .. }) {
            world.set_account_state(account.as_str(), AccountState::Suspended)?;
        }
    }
    bound(world, original, fleet)?;
    if original.engine == Engine::Stacksets {
        admit_stack_sets(world, original, &fleet.stack_sets.permissions)?;
    }
    Ok(administrator)
}

/// Puts the permissions boundaries of the fleet into every account: what they let through nobody has looked at.
fn bound(world: &mut World, original: &Original, fleet: &Fleet) -> Result<(), ApiError> {
    let all = fleet.accounts.iter().map(|(_, wanted)| wanted).chain([&fleet.defaults]);
    let arns: BTreeSet<&str> = all.filter_map(|wanted| wanted.config.permissions_boundary.as_deref()).collect();
    let names: BTreeSet<&str> =
        arns.into_iter().filter_map(|arn| arn.split_once(":policy/")).map(|(_, name)| name).collect();
    for Member { account, .. } in &original.members {
        names.iter().try_for_each(|name| world.create_policy(account.as_str(), name, EVERYTHING).map(drop))?;
    }
    Ok(())
}

fn add_member(world: &mut World, parent: &str, member: &Member) -> Result<(), ApiError> {
    let account = member.account.as_str();
    world.create_member_account(parent, account, &member.name)?;
    if !member.is_new {
        let before = world.now().saturating_sub(A_YEAR).unwrap_or(Timestamp::MIN);
        world.backdate_account(account, before)?;
    }
    Ok(())
}

fn add_user(world: &mut World, account: &str, User { person, keys }: &User) -> Result<(), ApiError> {
    let name = person.name.as_str();
    world.copy_user(account, name, &person.path, person.id.as_str())?;
    person.tags.iter().try_for_each(|(key, value)| world.tag_user(account, name, key, value))?;
    for group in &person.groups {
        // The first user of a group makes it.
        world
            .create_group(account, group)
            .or_else(|error| error.is("EntityAlreadyExists").then_some(()).ok_or(error))?;
        world.add_user_to_group(account, name, group)?;
    }
    for (key, used) in keys {
        world.copy_access_key(account, name, key.id.as_str())?;
        let used = used.as_ref().map(|used| LastUse {
            at: used.at,
            service: used.service.clone(),
            region: used.region.clone(),
        });
        world.backdate_access_key(key.id.as_str(), key.created, used)?;
        if key.status == users::KeyStatus::Inactive {
            world.set_access_key_status(key.id.as_str(), KeyStatus::Inactive)?;
        }
    }
    Ok(())
}

/// Has StackSets be let into the accounts, as the fleet wants it: whether it is in AWS, nobody has looked.
fn admit_stack_sets(world: &mut World, original: &Original, permissions: &Permissions) -> Result<(), ApiError> {
    let (partition, management) = (&original.partition, &original.tree.management);
    let trusting = |principal: serde_json::Value| {
        let statement = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal });
        json!({ "Version": "2012-10-17", "Statement": statement }).to_string()
    };
    let (role, trusted) = match permissions {
        Permissions::ServiceManaged { .. } => {
            world.activate_stack_sets(management.as_str());
            (WORKER.to_owned(), format!("arn:{partition}:iam::{management}:root"))
        }
        Permissions::SelfManaged { administration_role, execution_role } => {
            let usual = || format!("arn:{partition}:iam::{}:role/{ADMINISTRATION_ROLE}", original.caller);
            let administration = administration_role.clone().unwrap_or_else(usual);
            let (_, name) = administration.split_once(":role/").unwrap_or_default();
            let service = trusting(json!({ "Service": "cloudformation.amazonaws.com" }));
            world.create_role(original.caller.as_str(), name, &service)?;
            let name = name.rsplit('/').next().unwrap_or_default();
            world.put_role_policy(original.caller.as_str(), name, "everything", EVERYTHING)?;
            (execution_role.clone().unwrap_or_else(|| EXECUTION_ROLE.to_owned()), administration)
        }
    };
    let is_entered = |account: &AccountId| match permissions {
        Permissions::ServiceManaged { .. } => account != management,
        Permissions::SelfManaged { .. } => true,
    };
    for Member { account, .. } in original.members.iter().filter(|member| is_entered(&member.account)) {
        // The role that Organizations makes may be the one.
        let made = world.create_role(account.as_str(), &role, &trusting(json!({ "AWS": trusted })));
        made.map(drop).or_else(|error| error.is("EntityAlreadyExists").then_some(()).ok_or(error))?;
        world.put_role_policy(account.as_str(), &role, "everything", EVERYTHING)?;
    }
    Ok(())
}
