//! Builds in a sandbox what is deployed in AWS, from the same templates, so that a rehearsal begins with it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use contract::{AccountId, KeyPair, Region, Renderings, SecretDocument, SecretText, tag_keys};
use sandbox::{ApiError, Sandbox, World};

use super::deployed::{Kept, Stack, StackSet};
use super::original::Original;
use crate::aws::change_sets::Source;
use crate::aws::stack_sets::{self, Preferences, Targets, Tolerated, Wish};
use crate::aws::{CallError, Clients};
use crate::commands::DemoError;
use crate::commands::fleet::stack_sets::DESCRIPTION;
use crate::error::Error;
use crate::names::{ARTIFACTS_STACK, CENTRAL_STACK};
use crate::template::Template;

/// The stacks that others need.
const FIRST: [&str; 2] = [ARTIFACTS_STACK, CENTRAL_STACK];

/// How long stacks may take, by the clock of the sandbox. It passes at once.
const LONGEST: Duration = Duration::from_hours(2);
const A_WHILE: Duration = Duration::from_mins(1);

/// How many stacks of a set are made at the same time: as many as StackSets takes.
const AT_ONCE: i32 = 1000;

/// Builds it, with `code` for every function: what is in AWS nobody has fetched, and nobody would run it here. Gives what
/// could not be built, for whoever watches.
pub(super) async fn build(
    sandbox: &Sandbox,
    clients: &Clients,
    (original, region): (&Arc<Original>, &Region),
    code: &Arc<[u8]>,
) -> Result<Vec<String>, Error> {
    // Sweepers would find half of it.
    sandbox.visit(|world| world.pause_rules(true)).await;
    let mut told = Vec::new();
    for is_first in [true, false] {
        let (original, region, code) = (original.clone(), region.clone(), code.clone());
        let work = move |world: &mut World| stacks(world, (&original, &region), is_first, &code);
        told.extend(sandbox.visit(work).await);
        rest(sandbox).await;
    }
    if let Some(set) = &original.set {
        let (template, code) = (set.set.template.clone(), code.clone());
        let copied = sandbox.visit(move |world| put_code(world, &template, &code)).await;
        match (copied, instances(clients, (original, set), region).await) {
            (Ok(()), Ok(())) => rest(sandbox).await,
            (Err(error), _) => told.push(format!("the stack set `{}`: {error}", set.name.name)),
            (_, Err(error)) => told.push(format!("the stack set `{}`: {error}", set.name.name)),
        }
    }
    let original = original.clone();
    let finished = sandbox.visit(move |world| {
        world.pause_rules(false);
        for (account, region, kept) in original.secrets() {
            keep(world, &account, &region, &kept)?;
        }
        Ok::<_, ApiError>(unfinished(world))
    });
    told.extend(finished.await.map_err(DemoError::Account)?);
    Ok(told)
}

/// Begins the stacks that others need, or the others. Gives what cannot be begun.
fn stacks(world: &mut World, (original, home): (&Original, &Region), is_first: bool, code: &Arc<[u8]>) -> Vec<String> {
    let shared = original.shared.stacks.iter().map(|stack| (&original.caller, home, stack));
    let of_members = original
        .members
        .iter()
        .flat_map(|member| member.deployed.stacks.iter().map(move |stack| (&member.account, &member.region, stack)));
    let (mut begun, mut told) = (BTreeSet::new(), Vec::new());
    for (account, region, stack) in shared.chain(of_members) {
        // What belongs to the fleet may be found in an account of it once more.
        if FIRST.contains(&stack.name.as_str()) == is_first && begun.insert((account, region, &stack.name)) {
            let Stack { name, template, tags } = stack;
            let place = (account.as_str(), region.as_str());
            let built = put_code(world, template, code).and_then(|()| world.build_stack(place, name, template, tags));
            told.extend(built.err().map(|error| format!("{account}: the stack `{name}`: {error}")));
        }
    }
    told
}

/// Puts the code of a template's function where the template says that it is.
fn put_code(world: &mut World, template: &str, code: &Arc<[u8]>) -> Result<(), ApiError> {
    let place = Template::parse(template).ok().and_then(|template| template.code());
    place.map_or(Ok(()), |place| world.put_object(&place.bucket, &place.key, code.clone()))
}

/// Makes a stack set, and begins its instances.
async fn instances(
    clients: &Clients,
    (original, StackSet { name, set, instances, .. }): (&Original, &StackSet),
    region: &Region,
) -> Result<(), CallError> {
    let wish = Wish {
        description: DESCRIPTION,
        template: Source::Body(&set.template),
        tags: &set.tags,
        permissions: &set.permissions,
    };
    stack_sets::create(clients, name, "rehearsal", &wish).await?;
    let members: BTreeSet<&AccountId> = original.members.iter().map(|member| &member.account).collect();
    let preferences = Preferences { tolerated: Tolerated::Percent(100), at_once: AT_ONCE };
    for (number, (unit, accounts)) in instances.iter().enumerate() {
        let accounts: Vec<AccountId> = accounts.iter().filter(|account| members.contains(account)).cloned().collect();
        let targets = match unit {
            _ if accounts.is_empty() => continue,
            Some(unit) => Targets::Among { units: vec![unit.clone()], accounts },
            None => Targets::Accounts(accounts),
        };
        let id = format!("rehearsal-{number}");
        stack_sets::add(clients, name, &id, (&targets, region.as_str()), preferences).await?;
    }
    Ok(())
}

/// Waits until no stack is worked on any more.
async fn rest(sandbox: &Sandbox) {
    let mut passed = Duration::ZERO;
    let is_busy = |world: &mut World| {
        let stacks = world.stacks().iter().any(|stack| stack.status.ends_with("_IN_PROGRESS"));
        let is_open = |operation: &String| ["RUNNING", "QUEUED"].iter().any(|status| operation.ends_with(status));
        stacks || world.stack_sets().iter().flat_map(|set| &set.operations).any(is_open)
    };
    while sandbox.visit(is_busy).await && passed < LONGEST {
        sandbox.advance(A_WHILE).await;
        passed += A_WHILE;
    }
}

/// Gives a secret what is known of it, and a key of the sandbox's own in place of the value that nobody has read.
fn keep(world: &mut World, account: &AccountId, region: &Region, kept: &Kept) -> Result<(), ApiError> {
    let (home, empty) = (region, SecretDocument::placeholder(kept.user.clone()));
    let (account, region, name) = (account.as_str(), region.as_str(), kept.name.as_str());
    if world.secret(account, region, name).is_none() {
        // The function has made it, or a stack that is not copied.
        world.create_secret(account, region, name, empty.to_text().expose(), &[])?;
    }
    world.tag_secret(account, region, name, &kept.tags)?;
    let keys = world.access_keys(account, kept.user.as_str());
    let current = keys.into_iter().find(|key| kept.current.as_ref().is_some_and(|id| id.as_str() == key.id()));
    if let (Some(id), Some(key)) = (&kept.current, current) {
        let secret = SecretText::new(key.credentials.secret_access_key);
        let renderings = Renderings::of_tag(kept.tags.get(tag_keys::RENDER).map(String::as_str));
        let renderings = renderings.unwrap_or(Renderings::AsFound);
        let value = empty.with_key(KeyPair { id: id.clone(), secret }, &renderings, home);
        world.put_secret_value(account, region, name, value.to_text().expose())?;
    }
    kept.rotated.map_or(Ok(()), |at| world.backdate_rotation(account, region, name, at))
}

/// The stacks that could not be built.
fn unfinished(world: &World) -> Vec<String> {
    let stacks = world.stacks().into_iter().filter(|stack| stack.status != "CREATE_COMPLETE");
    stacks.map(|stack| format!("{}: the stack `{}`, which is in {}", stack.account, stack.name, stack.status)).collect()
}
