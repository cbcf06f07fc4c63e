//! How the users are doing whom a function has found by itself, and the stack of such a function where no stack set tells.

use contract::{Enrolment, tag_keys};

use super::report::{Report, StackRow, StackState, UserState};
use super::{last_uses, managed_users, stack_row, user_row, user_state};
use crate::aws::{CallError, Clients};
use crate::config::Config;
use crate::error::Error;
use crate::observe::{self, Closely, ObservedUser};
use crate::plan::{self, deployed};
use crate::session::Session;
use crate::template::{self, Template};

/// Looks how the users are doing. Of the stack the stack set tells, but for what its function runs: `template` is that of
/// the set, when the stack is as the set says.
pub(in crate::commands) async fn look_at_enrolled(
    session: &Session,
    config: Config,
    template: Option<&Template>,
) -> Result<Report, Error> {
    let Session { clients, interrupts, .. } = session;
    let stack = config.stack.to_string();
    let mut report = interrupts.unless_pressed(Box::pin(users(clients, config))).await??;
    if let Some(template) = template {
        let running = interrupts.unless_pressed(observe::running(clients, &stack)).await??;
        let row =
            |fault| StackRow { stack, state: StackState::Drifted, status: None, drift: None, function: Some(fault) };
        report.stacks.extend(plan::fault_of(&running, template).map(row));
    }
    Ok(report)
}

/// Looks how the stack is doing too.
pub(in crate::commands) async fn look_at_enrolling(
    session: &Session,
    config: Config,
    enrolment: &Enrolment,
) -> Result<Report, Error> {
    let looking = observe::cell(&session.clients, config.stack.as_str());
    let found = session.interrupts.unless_pressed(looking).await??;
    let code = found.as_ref().map(deployed).transpose()?.flatten().as_ref().and_then(Template::code);
    let wanted = code.map(|code| template::member(&config, enrolment, &code)).transpose()?;
    let row = stack_row(config.stack.as_str(), found.as_ref(), wanted.as_ref())?;
    let mut report = look_at_enrolled(session, config, None).await?;
    report.stacks.push(row);
    Ok(report)
}

async fn users(clients: &Clients, mut config: Config) -> Result<Report, CallError> {
    config.users = managed_users(clients, &config).await?;
    let names: Vec<_> = config.users.iter().map(|user| user.name.clone()).collect();
    let users = observe::named(clients, &config, &names, &Closely::At(Default::default())).await?;
    let last_uses = last_uses(clients, &users).await?;
    // The list of the secrets has shown the time.
    let now = clients.clock.now().ok_or_else(|| CallError::incomplete("secretsmanager:ListSecrets", "Date"))?;
    let row = |user| user_row(&config, user, state(user), &last_uses, now);
    Ok(Report { stacks: Vec::new(), users: users.iter().map(row).collect(), now })
}

/// How a user is doing. No stack has the schedule, so only the secret tells whether it is rotated at all.
fn state(user: &ObservedUser) -> UserState {
    let state = user_state(user, &Default::default());
    let Some(secret) = user.secret.as_ref().filter(|secret| secret.rotator.is_none()) else { return state };
    match (state, secret.tag(tag_keys::LEFT)) {
        (UserState::InSync | UserState::Blocked { .. }, Some(since)) => UserState::Left { since: since.to_owned() },
        (UserState::InSync | UserState::Blocked { .. }, None) => UserState::TurnedOff,
        (state, _) => state,
    }
}
