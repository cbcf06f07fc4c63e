//! `keyturn release`: ends a hold, and has a rotation that stood still go on. The JSON document has one entry per user
//! under `users`, like that of `hold`.

use std::fmt;

use contract::{UserName, tag_keys};
use serde::Serialize;

use super::hold::{Held, read_back};
use super::named;
use crate::aws::{CallError, secrets};
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::observe::Closely;
use crate::session::Session;

#[derive(Serialize)]
struct Report {
    users: Vec<Held>,
}

pub(super) async fn run(session: &Session, config: &Config, names: &[UserName]) -> Result<Exit, Error> {
    let users = named::look_up(session, config, names, &Closely::At([].into())).await?;
    let mut released = Vec::new();
    for (user, secret) in named::with_secrets(&users)? {
        // That the hold had stopped a rotation is not true any more either.
        let was_told = secret.tag(tag_keys::BLOCKED) == Some("held");
        let tags = [(tag_keys::HOLD, secret.tag(tag_keys::HOLD).is_some()), (tag_keys::BLOCKED, was_told)];
        let tags: Vec<String> = tags.iter().filter(|(_, is_set)| *is_set).map(|(tag, _)| (*tag).to_owned()).collect();
        let release = async {
            if !tags.is_empty() {
                secrets::untag(&session.clients, &secret.arn, tags).await?;
            }
            let released = read_back(&session.clients, &secret.arn, None).await?;
            // Asked of a secret whose rotation was turned off, Secrets Manager would turn it on.
            let rotating = released.unfinished_rotation().is_some() && released.rotator.is_some();
            if rotating {
                secrets::go_on(&session.clients, &secret.arn).await?;
            }
            Ok::<_, CallError>(rotating)
        };
        let rotating = session.interrupts.unless_pressed(release).await??;
        let (user, secret) = (user.name.clone(), secret.name.clone());
        released.push(Held { user, secret, held: false, reason: String::new(), rotating });
    }
    session.printer.result("release", &Report { users: released })?;
    Ok(Exit::Done)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Held { user, rotating, .. } in &self.users {
            write!(f, "{user}: released")?;
            if *rotating {
                write!(f, "; the rotation that stood still goes on")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
