//! Automatic deployment: stack sets follow the accounts that come into their units and leave them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::Due;
use super::operation::{Action, Operation, Status, Work};
use super::preferences::Preferences;
use super::set::{Permissions, Place, StackSet};
use super::targets::Targets;
use super::{access, rounds, with_set};
use crate::services::organizations::{self, AccountState};
use crate::{World, agenda};

/// How long it takes until StackSets has noticed that an account has moved. AWS does not say.
const NOTICED_AFTER: Duration = Duration::from_secs(60);

/// An account has come into an organization, or has moved in it.
pub(crate) fn account_moved(world: &mut World, account: &str) {
    if let Some(management) = organizations::management_of(world, account) {
        account_left(world, account, &management);
    }
}

/// An account is not where it was in an organization.
pub(crate) fn account_left(world: &mut World, account: &str, management: &str) {
    if following(world, management).next().is_some() {
        let due = Due::AccountMoved { account: account.to_owned(), management: management.to_owned() };
        world.agenda.work_after(NOTICED_AFTER, agenda::Due::CloudFormation(due));
    }
}

/// The sets of an organization that follow its accounts.
fn following<'a>(world: &'a World, management: &'a str) -> impl Iterator<Item = &'a StackSet> {
    let follows = |set: &&StackSet| match &set.permissions {
        Permissions::ServiceManaged { auto_deployment, .. } => auto_deployment.enabled && !set.deleted,
        Permissions::SelfManaged { .. } => false,
    };
    world.cloudformation.sets.sets.values().filter(move |set| set.account == management).filter(follows)
}

/// It has been noticed: every set that follows accounts gets stacks there, or loses them. When the account is not ready
/// yet, or something else is under way, that waits.
pub(in super::super) fn follow(world: &mut World, account: &str, management: &str) {
    if !access::is_activated(world, management) || world.organizations.state_of(account) != AccountState::Active {
        return;
    }
    let is_busy = following(world, management).any(|set| set.unfinished().next().is_some());
    if is_busy || !organizations::is_ready(world, account) {
        return account_left(world, account, management);
    }
    let ids: Vec<String> = following(world, management).map(|set| set.id.clone()).collect();
    for id in ids {
        with_set(world, &id, |world, set| catch_up(world, set, account));
    }
}

fn catch_up(world: &mut World, set: &mut StackSet, account: &str) {
    let Permissions::ServiceManaged { auto_deployment, units } = &set.permissions else { return };
    let retain = auto_deployment.retains;
    let wanted: BTreeMap<String, String> = units
        .iter()
        .filter(|(unit, _)| is_below(world, &set.account, account, unit))
        .flat_map(|(unit, regions)| regions.iter().map(move |(region, extent)| (unit, region, extent)))
        .filter(|(.., extent)| extent.covers(account))
        .map(|(unit, region, _)| (region.clone(), unit.clone()))
        .collect();
    let of_account = set.instances.iter().filter(|(place, _)| place.account == account);
    let present: BTreeMap<String, Option<String>> =
        of_account.map(|(place, instance)| (place.region.clone(), instance.unit.clone())).collect();
    let missing = wanted.iter().filter(|(region, _)| !present.contains_key(*region));
    let missing: Vec<_> = missing.map(|(region, unit)| (region.clone(), unit.clone())).collect();
    // What somebody has put there without a unit stays.
    let surplus = present.into_iter().filter(|(region, _)| !wanted.contains_key(region));
    let surplus: Vec<_> = surplus.filter_map(|(region, unit)| Some((region, unit?))).collect();
    let create = Action::Create { overrides: BTreeMap::new() };
    for (action, places) in [(create, missing), (Action::Delete { retain }, surplus)] {
        if let Some((_, unit)) = places.first() {
            let targets = Targets::of_unit(unit, account);
            let operation = operation(world, account, action, places, targets);
            rounds::enter(world, set, operation);
        }
    }
}

fn is_below(world: &World, management: &str, account: &str, unit: &str) -> bool {
    let below = organizations::accounts_below(world, management, unit).unwrap_or_default();
    below.iter().any(|it| it.account == account)
}

fn operation(
    world: &mut World,
    account: &str,
    action: Action,
    places: Vec<(String, String)>,
    targets: Targets,
) -> Operation {
    let place = |region: String| Place { account: account.to_owned(), region };
    let work = places.into_iter().map(|(region, unit)| (place(region), Work::pending(Some(unit))));
    Operation {
        id: world.random_uuid(),
        action,
        status: Status::Running,
        preferences: Preferences::usual(),
        targets,
        created: world.now(),
        ended: None,
        work: work.collect(),
    }
}
