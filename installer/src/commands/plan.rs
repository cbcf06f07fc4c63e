//! `keyturn plan`: shows what `bootstrap` would do. The JSON document is the [`Plan`] itself: `caller`, `region`,
//! `bucket`, `steps`, `users`, `unchanged`, `remarks` and `cost`.
//!
//! [`Plan`]: crate::plan::Plan

use std::path::Path;

use super::pipeline::{self, Manner};
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::plan::save;
use crate::session::Session;

pub(super) async fn run(
    session: &Session,
    config: &Config,
    manner: Manner<'_>,
    out: Option<&Path>,
    detailed_exitcode: bool,
) -> Result<Exit, Error> {
    let (_, plan) = pipeline::prepare(session, config, manner).await?;
    if let Some(out) = out {
        save(&plan, manner.options, out)?;
    }
    session.printer.result("plan", &plan)?;
    let has_changes = !plan.steps.is_empty();
    Ok(if detailed_exitcode && has_changes { Exit::Changes } else { Exit::Done })
}
