//! `keyturn doctor`: looks at everything that a bootstrap depends on, and changes nothing. The JSON document has one
//! entry per finding under `findings`: `check`, `state` (`ok`, `warning` or `problem`), `what`, and `to_do`; those about
//! permissions also `denied`, with `action`, `resource` and `reason`. `problems` and `warnings` count them.

mod account;
mod function;
mod permissions;
mod report;

use std::path::Path;

use self::report::{Check, Finding, Report};
use crate::aws::identity::{self, Caller};
use crate::aws::{CallError, Clients};
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::names::ARTIFACTS_STACK;
use crate::observe::{self, Closely, Observed, ObservedUser};
use crate::session::Session;
use crate::ui::Printer;

pub(super) async fn run(session: &Session, config: &Config, prebuilt: Option<&Path>) -> Result<Exit, Error> {
    let mut report = Report::default();
    report.add(account::configuration(config));
    report.add(function::findings(config.function.architecture, prebuilt).await);
    let progress = session.printer.progress("looking at the account");
    let looking = Box::pin(look(&session.clients, config, &mut report));
    let credentials = session.interrupts.unless_pressed(looking).await?;
    drop(progress);
    session.printer.result("doctor", &report.counted())?;
    Ok(match credentials {
        Err(error) if error.is_about_credentials() => Exit::Credentials,
        _ if report.has_problems() => Exit::Error,
        _ => Exit::Done,
    })
}

/// Says that there is no configuration that can be used; nothing else can be looked at then.
pub(super) fn without_configuration(printer: Printer, error: &Error) -> Result<Exit, Error> {
    let mut report = Report::default();
    report.add([Finding::of_error(Check::Configuration, error)]);
    printer.result("doctor", &report.counted())?;
    Ok(Exit::Error)
}

/// Looks at the account; without credentials there is nothing to see.
async fn look(clients: &Clients, config: &Config, report: &mut Report) -> Result<(), CallError> {
    let caller = match identity::caller(clients).await {
        Ok(caller) => caller,
        Err(error) => {
            report.add([Finding::of_call(Check::Credentials, &error)]);
            return Err(error);
        }
    };
    report.add(account::caller(&caller, config));
    let cells = observe::cells(clients, config, 1, observe::expected_cells(config)).await;
    let artifacts = match config.artifact_bucket {
        None => observe::stack(clients, ARTIFACTS_STACK).await,
        Some(_) => Ok(None),
    };
    let names: Vec<_> = config.users.iter().map(|user| user.name.clone()).collect();
    let closely = Closely::At(config.given_up.keys().cloned().collect());
    let users = observe::named(clients, config, &names, &closely).await;
    let unseen = |report: &mut Report, check, error: &CallError| report.add([Finding::of_call(check, error)]);
    let (cells, artifacts) = match (cells, artifacts) {
        (Ok(cells), Ok(artifacts)) => {
            report.add(account::stacks(config, &cells, artifacts.as_ref()));
            (cells, artifacts)
        }
        (cells, artifacts) => {
            cells.err().or(artifacts.err()).iter().for_each(|error| unseen(report, Check::Stack, error));
            Default::default()
        }
    };
    let users: Vec<ObservedUser> = match users {
        Ok(mut users) => {
            if let Err(error) = observe::look_around(clients, config, &cells, &mut users).await {
                unseen(report, Check::User, &error);
            }
            users
        }
        Err(error) => {
            unseen(report, Check::User, &error);
            Vec::new()
        }
    };
    // Every answer has shown the time, that about the caller at the least.
    if let Some(now) = clients.clock.now() {
        let observed = Observed { caller: caller.clone(), now, artifacts, cells, users, has_code: false };
        report.add(account::users(config, &observed));
        report.add(account::quotas(config, &observed));
        report.add(permitted(clients, config, &caller, &observed).await);
    }
    Ok(())
}

async fn permitted(clients: &Clients, config: &Config, caller: &Caller, observed: &Observed) -> Vec<Finding> {
    match permissions::principal(clients, caller).await {
        Ok(principal) => permissions::findings(clients, config, observed, &principal).await,
        Err(finding) => vec![finding],
    }
}
