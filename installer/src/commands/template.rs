//! `keyturn template`: prints a template as `bootstrap` would deploy it. The JSON document has it under `template`.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::pipeline;
use crate::aws::identity;
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::fleet::Fleet;
use crate::plan::{Refusal, Refusals};
use crate::session::Session;
use crate::template::{self, CodeLocation, Template};

#[derive(Serialize)]
struct Report {
    template: String,
}

/// Prints the stack of the artifact bucket.
pub(super) fn artifacts(session: &Session) -> Result<Exit, Error> {
    print(session, &template::artifacts(None)?)
}

/// Prints the stack of the function and its users.
pub(super) async fn cell(session: &Session, config: &Config, prebuilt: Option<&Path>) -> Result<Exit, Error> {
    let artifact = pipeline::artifact(session, config, prebuilt).await?;
    let observed = pipeline::observed(session, config).await?;
    let code = CodeLocation { bucket: observed.bucket(config), key: artifact.object_key() };
    let (mut users, mut unknown) = (Vec::new(), Vec::new());
    for user in observed.users {
        match user.bound {
            Some(bound) => users.push(bound),
            None => unknown.push(Refusal::UnknownUser(user.name)),
        }
    }
    if !unknown.is_empty() {
        return Err(Refusals(unknown).into());
    }
    print(session, &template::cell(config, &users, &code)?)
}

/// Prints the role by which the caller enters the accounts of a fleet.
pub(super) async fn rollout_role(session: &Session, fleet: &Fleet, drift: bool) -> Result<Exit, Error> {
    let caller = session.interrupts.unless_pressed(identity::caller(&session.clients)).await??;
    if template::boundaries(fleet).is_none() {
        session
            .printer
            .say("the role is an administrator of its account: not every account has a `permissions_boundary`");
    }
    print(session, &template::rollout_role(fleet, &caller.account, drift)?)
}

fn print(session: &Session, template: &Template) -> Result<Exit, Error> {
    session.printer.result("template", &Report { template: template.to_text() })?;
    Ok(Exit::Done)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.template)
    }
}
