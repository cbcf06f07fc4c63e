//! `keyturn hold`: stops the rotation of users. The JSON document has one entry per user under `users`: `user`,
//! `secret`, `held`, `reason`, and `rotating` when a rotation is under way.

use std::collections::BTreeMap;
use std::fmt;

use contract::{SecretArn, UserName, tag_keys};
use serde::Serialize;

use super::named;
use crate::aws::secrets::{self, Secret};
use crate::aws::{CallError, Clients};
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::observe::Closely;
use crate::session::Session;

/// How long the value of a tag may be, in characters (Secrets Manager API reference, Tag).
const LONGEST_REASON: usize = 256;

/// A user, and whether rotation is held.
#[derive(Debug, Serialize)]
pub(super) struct Held {
    pub(super) user: UserName,
    pub(super) secret: String,
    pub(super) held: bool,
    pub(super) reason: String,
    pub(super) rotating: bool,
}

#[derive(Serialize)]
struct Report {
    users: Vec<Held>,
}

pub(super) async fn run(session: &Session, config: &Config, names: &[UserName], why: &str) -> Result<Exit, Error> {
    let users = named::look_up(session, config, names, &Closely::At([].into())).await?;
    let bound = named::with_secrets(&users)?;
    named::not_left_out(config, &users)?;
    let given = legal(why);
    if given != why.trim() {
        session.printer.say(format!("a tag cannot hold all of the reason; it becomes `{given}`"));
    }
    let mut held = Vec::new();
    for (user, secret) in bound {
        let clients = &session.clients;
        let reason = reason_of(&given, secret.tag(tag_keys::HOLD));
        let tags = BTreeMap::from([(tag_keys::HOLD.to_owned(), reason.clone())]);
        let hold = async {
            if secret.tag(tag_keys::HOLD) != Some(&reason) {
                secrets::tag(clients, secret.arn.as_str(), &tags).await?;
            }
            read_back(clients, &secret.arn, Some(&reason)).await.map(|held| held.unfinished_rotation().is_some())
        };
        let rotating = session.interrupts.unless_pressed(hold).await??;
        let (user, secret) = (user.name.clone(), secret.name.clone());
        held.push(Held { user, secret, held: true, reason, rotating });
    }
    session.printer.result("hold", &Report { users: held })?;
    Ok(Exit::Done)
}

/// Reads the secret again, and checks that it says of a hold what it should.
///
/// # Errors
/// [`CallError`], also when somebody else has set or removed the hold meanwhile.
pub(super) async fn read_back(clients: &Clients, secret: &SecretArn, hold: Option<&str>) -> Result<Secret, CallError> {
    const OPERATION: &str = "secretsmanager:DescribeSecret";
    let found = secrets::describe(clients, secret.as_str()).await?;
    let found = found.filter(|found| found.tag(tag_keys::HOLD) == hold);
    found.ok_or_else(|| CallError::incomplete(OPERATION, tag_keys::HOLD))
}

/// The reason of a hold: who gives none has nothing against the one that is there.
fn reason_of(given: &str, before: Option<&str>) -> String {
    if given.is_empty() { before.unwrap_or_default() } else { given }.to_owned()
}

/// The reason as a tag can hold it: every other character becomes a space.
fn legal(reason: &str) -> String {
    let legal = |c: char| if c.is_alphanumeric() || "_.:/=+-@".contains(c) { c } else { ' ' };
    let words: String = reason.chars().map(legal).collect();
    let reason = words.split_whitespace().collect::<Vec<_>>().join(" ");
    reason.chars().take(LONGEST_REASON).collect::<String>().trim_end().to_owned()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Held { user, secret, reason, rotating, .. } in &self.users {
            let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            write!(f, "{user}: held{why}: `{secret}` keeps its key, and no key of the user is touched")?;
            if *rotating {
                write!(
                    f,
                    "; the rotation that is under way stops before its next step, and goes on after the release"
                )?;
            }
            writeln!(f)?;
        }
        let names: Vec<&str> = self.users.iter().map(|held| held.user.as_str()).collect();
        writeln!(f, "to end it: `keyturn release {}`", names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_without_a_reason_keeps_the_one_that_is_there() {
        let table = [("", None, ""), ("", Some("audit"), "audit"), ("leave", Some("audit"), "leave"), ("x", None, "x")];
        for (given, before, expected) in table {
            assert_eq!(reason_of(given, before), expected);
        }
    }

    #[test]
    fn a_reason_becomes_what_a_tag_can_hold() {
        let table = [
            ("", ""),
            ("audit until Friday", "audit until Friday"),
            ("  audit (until Friday), ask Bob!\n", "audit until Friday ask Bob"),
            ("Prüfung #7: a@b.c", "Prüfung 7: a@b.c"),
            ("\"); drop", "drop"),
        ];
        for (reason, expected) in table {
            assert_eq!(legal(reason), expected);
        }
        assert_eq!(legal(&"abc ".repeat(100)).chars().count(), 255, "no space at the end");
    }
}
