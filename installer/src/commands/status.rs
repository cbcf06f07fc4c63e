//! `keyturn status`: how each stack and user is doing. The JSON document has them under `stacks` and `users`;
//! `drift` says of a stack what somebody has changed in it past CloudFormation, or nothing when nobody has looked;
//! `too_old` says that the current key is over `retire.max_key_age`, and `to_do` what a user wants of a person, if anything.

mod enrolled;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contract::{AccessKeyId, blocked, tag_keys};
use jiff::Timestamp;

pub(super) use self::enrolled::{look_at_enrolled, look_at_enrolling};
pub(super) use self::report::{Report, UserRow, UserState};
use self::report::{StackDrift, StackRow, StackState};
use super::pipeline;
use crate::aws::stacks::Rest;
use crate::aws::users::{self, AccessKey, KeyStatus, LastUse};
use crate::aws::{CallError, Clients, secrets};
use crate::concurrent::{self, Pace};
use crate::config::{Config, ConfiguredUser};
use crate::error::{Error, Exit};
use crate::names::{ARTIFACTS_STACK, SecretName, UserResources};
use crate::observe::{DeadKey, Observed, ObservedStack, ObservedUser, observe};
use crate::plan::{self, assign, deployed, deployed_cells, deserted_cells, differences};
use crate::session::Session;
use crate::template::{self, Template, TemplateError};
use crate::ui::span;

/// The reasons that say the same of a current key as looking at it does.
const DEAD: [&str; 2] = ["current_disabled", "current_missing"];

/// How keys are looked up; as for users.
const PACE: Pace = Pace { at_once: 8, apart: Duration::from_millis(20) };

pub(super) async fn run(
    session: &Session,
    config: Config,
    drift: bool,
    detailed_exitcode: bool,
) -> Result<Exit, Error> {
    let report = look(session, config, drift).await?;
    session.printer.result("status", &report)?;
    Ok(if detailed_exitcode && report.wants_a_person() { Exit::SomeFailed } else { Exit::Done })
}

/// Looks how each stack and user is doing.
pub(super) async fn look(session: &Session, mut config: Config, drift: bool) -> Result<Report, Error> {
    let Session { clients, interrupts, .. } = session;
    if config.users.is_empty() {
        config.users = interrupts.unless_pressed(managed_users(clients, &config)).await??;
    }
    let mut observed = interrupts.unless_pressed(Box::pin(observe(clients, &config))).await??;
    if drift {
        pipeline::look_for_drift(session, &config, &mut observed).await?;
    }
    let last_uses = interrupts.unless_pressed(last_uses(clients, &observed.users)).await??;
    Ok(report(&config, &observed, &last_uses)?)
}

/// The users of the stack's secrets, for whoever gives no users.
async fn managed_users(clients: &Clients, config: &Config) -> Result<Vec<ConfiguredUser>, CallError> {
    let mut users = Vec::new();
    for listed in secrets::of_deployment(clients, &config.stack).await? {
        let Some(secret) = secrets::describe(clients, listed.arn.as_str()).await? else { continue };
        let Some(name) = secret.user() else { continue };
        users.push(ConfiguredUser { name, secret: SecretName::new(secret.name).ok(), render: None });
    }
    Ok(users)
}

async fn last_uses(clients: &Clients, users: &[ObservedUser]) -> Result<BTreeMap<AccessKeyId, LastUse>, CallError> {
    let keys = users.iter().filter_map(|user| current_key(user)).map(|key| key.id.clone()).collect();
    let look = |key: AccessKeyId| {
        let clients = clients.clone();
        async move { users::last_use(&clients, &key).await.map(|last_use| last_use.map(|last_use| (key, last_use))) }
    };
    let found = concurrent::for_each(keys, PACE, look).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// The key that applications use: the one in the secret where that was read, and else the newest Active one that is not
/// on its way out.
fn current_key(user: &ObservedUser) -> Option<&AccessKey> {
    let secret = user.secret.as_ref().filter(|secret| secret.user().is_some())?;
    if user.readable().is_some() || secret.last_own_rotation().is_none() {
        return user.current_key();
    }
    let retiring: BTreeSet<AccessKeyId> = secret.marked_keys().collect();
    user.keys.iter().rev().find(|key| key.status == KeyStatus::Active && !retiring.contains(&key.id))
}

fn report(
    config: &Config,
    observed: &Observed,
    last_uses: &BTreeMap<AccessKeyId, LastUse>,
) -> Result<Report, TemplateError> {
    let mut stacks = Vec::new();
    // Nor does anybody know then whether the bucket is one of keyturn's own.
    let may_lack_bucket = config.users_are_arguments && observed.artifacts.is_none() && !observed.cells.is_empty();
    if config.artifact_bucket.is_none() && !may_lack_bucket {
        let current = observed.artifacts.as_ref();
        let shared = plan::organization(current)?;
        stacks.push(stack_row(ARTIFACTS_STACK, current, Some(&template::artifacts(shared.as_deref())?))?);
    }
    let templates = deployed_cells(&observed.cells)?;
    let bound: Vec<_> = observed.users.iter().filter_map(|user| user.bound.clone()).collect();
    // Without a configuration there is nothing that the stacks could differ from, but for what is found to have drifted.
    let is_compared = !config.users_are_arguments;
    let mut drifted = BTreeSet::new();
    let assigned = assign(config, &bound, &templates)?;
    // One that nobody is in any more is not as it should be, whatever is in it.
    let (deserted, _) = deserted_cells(&observed.cells, &assigned);
    for (number, cell) in assigned {
        let current = templates.get(&number);
        // Which code the function should run is not asked here: that would mean to build it.
        let code = current.filter(|_| !deserted.contains(&number)).and_then(Template::code);
        let wanted = code.map(|code| template::numbered_cell(config, number, &cell.users, &code)).transpose()?;
        let row = stack_row(&cell.stack, observed.cells.get(&number), wanted.as_ref())?;
        stacks.push(if is_compared { row } else { uncompared(row) });
        let changes =
            wanted.as_ref().filter(|_| is_compared).map(|wanted| differences(current, wanted, &BTreeMap::new()));
        drifted.extend(changes.into_iter().flatten().map(|change| change.logical_id));
        let found = stacks.last().and_then(|row| row.drift.as_ref());
        drifted.extend(found.into_iter().flat_map(|drift| &drift.resources).map(|found| found.logical_id.clone()));
    }
    let row = |user| user_row(config, user, user_state(user, &drifted), last_uses, observed.now);
    Ok(Report { stacks, users: observed.users.iter().map(row).collect(), now: observed.now })
}

/// What is known of a stack that nobody has a configuration for.
fn uncompared(row: StackRow) -> StackRow {
    let has_drifted = row.function.is_some() || row.drift.as_ref().is_some_and(|drift| !drift.resources.is_empty());
    let state = match row.state {
        StackState::InSync | StackState::Drifted if !has_drifted => StackState::Unknown,
        state => state,
    };
    StackRow { state, ..row }
}

fn stack_row(name: &str, found: Option<&ObservedStack>, wanted: Option<&Template>) -> Result<StackRow, TemplateError> {
    let template = found.map(deployed).transpose()?.flatten();
    let drift = found.and_then(|found| found.drift.as_ref()).map(|drift| StackDrift {
        resources: plan::drifted(drift, template.as_ref()),
        unchecked: plan::unlooked(name, drift),
    });
    let function = found.map(plan::function_fault).transpose()?.flatten();
    let has_drifted = function.is_some() || drift.as_ref().is_some_and(|drift| !drift.resources.is_empty());
    let state = match found {
        None => StackState::Absent,
        Some(found) => match found.stack.status.rest() {
            Rest::Gone => StackState::Absent,
            Rest::Busy => StackState::Busy,
            Rest::Review | Rest::Shell | Rest::HalfMade | Rest::Stuck => StackState::Broken,
            Rest::Usable => {
                let current = template.map(|template| template.to_text());
                let is_same = current.is_some() && current == wanted.map(Template::to_text);
                if is_same && !has_drifted { StackState::InSync } else { StackState::Drifted }
            }
        },
    };
    Ok(StackRow { stack: name.to_owned(), state, status: found.map(|found| found.stack.status), drift, function })
}

fn user_row(
    config: &Config,
    user: &ObservedUser,
    state: UserState,
    last_uses: &BTreeMap<AccessKeyId, LastUse>,
    now: Timestamp,
) -> UserRow {
    let key = current_key(user);
    let secret = user.secret.as_ref();
    let age = key.map(|key| now.duration_since(key.created));
    let too_old = age.and_then(|age| Duration::try_from(age).ok()).filter(|age| *age > config.settings.max_key_age);
    UserRow {
        user: user.name.clone(),
        secret: user.secret_name.to_string(),
        to_do: to_do(user, &state, too_old.map(|age| (age, config.settings.max_key_age))),
        state,
        key: key.map(|key| key.id.clone()),
        key_age_seconds: age.map(|age| age.as_secs()),
        too_old: too_old.is_some(),
        last_use: key.and_then(|key| last_uses.get(&key.id)).cloned(),
        last_rotation: secret.and_then(|secret| secret.last_rotated),
        next_rotation: secret.and_then(|secret| secret.next_rotation),
    }
}

/// What a user wants of a person; `None` also for what `keyturn plan` tells better.
fn to_do(user: &ObservedUser, state: &UserState, too_old: Option<(Duration, Duration)>) -> Option<String> {
    let (name, secret) = (&user.name, &user.secret_name);
    let by_state = match state {
        UserState::Blocked { reason } => Some(match blocked::meaning(reason) {
            Some(meaning) => format!("blocked ({reason}): {meaning}"),
            None => format!("blocked ({reason}): the function's log says why"),
        }),
        UserState::Deleted { .. } => {
            Some(format!("bring the secret back: `aws secretsmanager restore-secret --secret-id {secret}`"))
        }
        UserState::Foreign => {
            Some(format!("the secret `{secret}` is not bound to this user; `keyturn plan` says more"))
        }
        UserState::KeyInactive | UserState::KeyGone => user
            .dead_key()
            .map(|(key, dead)| format!("the key {key}, which applications read, {}", plan::mending(name, key, dead))),
        UserState::NoUser => {
            Some("check the name and the account, or take the user out of the configuration".to_owned())
        }
        UserState::TurnedOff => Some(format!(
            "somebody has turned rotation off; when nothing speaks against it, `aws secretsmanager rotate-secret --secret-id {secret}` turns it on and rotates"
        )),
        UserState::InSync
        | UserState::Drifted
        | UserState::Absent
        | UserState::Unrotated
        | UserState::Held { .. }
        | UserState::Left { .. } => None,
    };
    let by_age = too_old.map(|(age, most)| {
        let how = match state {
            UserState::Held { .. } => format!("`keyturn release {name}`, and then `keyturn rotate {name}`"),
            _ => format!("`keyturn rotate {name}`"),
        };
        format!("the current key is {} old, and `retire.max_key_age` is {}: {how}", span(age), span(most))
    });
    let texts: Vec<String> = by_state.into_iter().chain(by_age).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

fn user_state(user: &ObservedUser, drifted: &BTreeSet<String>) -> UserState {
    let Some(bound) = &user.bound else { return UserState::NoUser };
    let Some(secret) = &user.secret else { return UserState::Absent };
    let ids = UserResources::of(&bound.name);
    let is_bound = secret.tag(tag_keys::USER_ID) == Some(bound.id.as_str());
    // The sweeper has its own name for it; that may take an hour.
    let dead = user.dead_key().filter(|_| secret.tag(tag_keys::BLOCKED).is_none_or(|reason| !DEAD.contains(&reason)));
    match (secret.deleted, secret.tag(tag_keys::BLOCKED)) {
        (Some(until), _) => UserState::Deleted { until },
        (None, _) if !is_bound => UserState::Foreign,
        (None, _) if dead.is_some_and(|(_, dead)| dead == DeadKey::Inactive) => UserState::KeyInactive,
        (None, _) if dead.is_some() => UserState::KeyGone,
        (None, _) if secret.tag(tag_keys::HOLD).is_some() => {
            UserState::Held { reason: secret.tag(tag_keys::HOLD).unwrap_or_default().to_owned() }
        }
        (None, Some(reason)) => UserState::Blocked { reason: reason.to_owned() },
        (None, None) if user.lacks_key(secret) => UserState::Unrotated,
        (None, None) if drifted.contains(&ids.secret) || drifted.contains(&ids.rotation) => UserState::Drifted,
        (None, None) => UserState::InSync,
    }
}

#[cfg(test)]
mod tests;
