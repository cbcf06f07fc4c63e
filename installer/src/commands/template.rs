//! `keyturn template`: prints a template as `bootstrap` would deploy it. The JSON document has it under `template`.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::pipeline;
use crate::cli::Which;
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::plan::{Refusal, Refusals};
use crate::session::Session;
use crate::template::{self, CodeLocation, Template};

#[derive(Serialize)]
struct Report {
    template: String,
}

pub(super) async fn run(
    session: &Session,
    config: &Config,
    which: Which,
    prebuilt: Option<&Path>,
) -> Result<Exit, Error> {
    let template = match which {
        Which::Artifacts => template::artifacts(None)?,
        Which::Cell => cell(session, config, prebuilt).await?,
    };
    session.printer.result("template", &Report { template: template.to_text() })?;
    Ok(Exit::Done)
}

async fn cell(session: &Session, config: &Config, prebuilt: Option<&Path>) -> Result<Template, Error> {
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
    if unknown.is_empty() { Ok(template::cell(config, &users, &code)?) } else { Err(Refusals(unknown).into()) }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.template)
    }
}
