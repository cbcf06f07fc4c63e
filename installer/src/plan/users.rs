//! What each user's keys and secret mean for the plan: go on, import, or refuse.

use std::collections::BTreeMap;
use std::fmt;

use contract::{ForeignPolicy, SecretArn, UserName, VersionToken, tag_keys};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::{KeyReport, Refusal};
use crate::aws::secrets::Secret;
use crate::aws::users::{AccessKey, KeyStatus};
use crate::config::Config;
use crate::names::{SecretName, UserResources};
use crate::observe::{Observed, ObservedUser};
use crate::template::{BoundUser, Resource, Template};
use crate::ui;

/// How many keys a user may have (IAM user guide, quotas).
const KEYS_PER_USER: usize = 2;

/// What the users bring to the plan.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Users {
    /// All of them, as IAM knows them.
    pub(super) bound: Vec<BoundUser>,
    /// The secrets that join the stack: logical id and name.
    pub(super) imports: BTreeMap<String, String>,
    /// The rotations that never came to their end in those secrets.
    pub(super) unfinished: BTreeMap<SecretArn, VersionToken>,
    /// The users who have no managed key yet, and the names of their secrets.
    pub(super) unrotated: BTreeMap<UserName, String>,
    /// What whoever decides should know.
    pub(super) remarks: Vec<String>,
}

/// Looks at every user.
///
/// # Errors
/// Every [`Refusal`] there is.
pub(super) fn judge(config: &Config, observed: &Observed, deployed: Option<&Template>) -> Result<Users, Vec<Refusal>> {
    let members = deployed.map(Template::resources).unwrap_or_default();
    let (mut users, mut refusals) = (Users::default(), Vec::new());
    for user in &observed.users {
        let Some(bound) = &user.bound else {
            refusals.push(Refusal::UnknownUser(user.name.clone()));
            continue;
        };
        let name = user.secret_name.to_string();
        match standing(user, bound, observed.now) {
            Err(refusal) => refusals.push(refusal),
            Ok(Standing::New) => {
                users.remarks.extend(user.keys.iter().map(|key| foreign_key(config, bound, key, observed.now)));
                users.unrotated.insert(bound.name.clone(), name);
            }
            Ok(Standing::Managed(secret)) => {
                let id = UserResources::of(&bound.name).secret;
                if !members.contains_key(&id) {
                    users
                        .remarks
                        .push(format!("{}: its secret `{name}` is here already and joins the stack", bound.name));
                    users.imports.insert(id, name.clone());
                    let unfinished = secret.unfinished_rotation();
                    users.unfinished.extend(unfinished.map(|version| (secret.arn.clone(), version.clone())));
                }
                if user.lacks_key(secret) {
                    users.unrotated.insert(bound.name.clone(), name);
                }
            }
        }
        users.bound.push(bound.clone());
    }
    let leavers = leavers(config, &members, &users.bound);
    let gone = leavers.iter().filter(|leaver| leaver.renamed.is_none()).map(|leaver| leaver.user.clone());
    let gone: Vec<UserName> = gone.collect();
    if config.users_are_arguments && !gone.is_empty() {
        refusals.push(Refusal::WouldLeave(gone));
    }
    users.remarks.extend(leavers.iter().map(Leaver::to_string));
    if refusals.is_empty() { Ok(users) } else { Err(refusals) }
}

/// A secret that the stack has and the configuration does not: nobody is to lose rotation unnoticed.
struct Leaver {
    user: UserName,
    secret: String,
    /// The secret that takes its place, when it is the name that has changed.
    renamed: Option<String>,
}

fn leavers(config: &Config, members: &BTreeMap<String, Resource>, bound: &[BoundUser]) -> Vec<Leaver> {
    let wanted: BTreeMap<String, SecretName> =
        bound.iter().map(|user| (UserResources::of(&user.name).secret, config.secret_name(&user.name))).collect();
    let secrets = members.iter().filter(|(_, resource)| resource.kind == "AWS::SecretsManager::Secret");
    let leaver = |(id, secret): (&String, &Resource)| {
        let (user, name) = (user_of(secret)?, secret.properties.get("Name")?.as_str()?);
        let renamed = wanted.get(id).map(ToString::to_string);
        let stays = renamed.as_deref() == Some(name);
        (!stays).then(|| Leaver { user, secret: name.to_owned(), renamed })
    };
    secrets.filter_map(leaver).collect()
}

impl fmt::Display for Leaver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, secret, renamed } = self;
        match renamed {
            None => write!(
                f,
                "{user}: not among the users any more; rotation ends, the secret `{secret}` and its keys stay as they are"
            ),
            Some(new) => write!(
                f,
                "{user}: the secret `{secret}` and its keys stay as they are, but from now on `{new}` is rotated instead"
            ),
        }
    }
}

/// The user that a secret of the template is bound to.
fn user_of(secret: &Resource) -> Option<UserName> {
    let mut tags = secret.properties.get("Tags")?.as_array()?.iter();
    let tag = tags.find(|tag| tag.get("Key").and_then(Json::as_str) == Some(tag_keys::USER))?;
    UserName::of_tag(tag.get("Value")?.as_str()?).ok()
}

/// How a user stands to keyturn.
enum Standing<'a> {
    /// Keyturn does not know the user.
    New,
    /// The user has a secret that keyturn made.
    Managed(&'a Secret),
}

fn standing<'a>(user: &'a ObservedUser, bound: &BoundUser, now: Timestamp) -> Result<Standing<'a>, Refusal> {
    let (name, secret_name) = (bound.name.clone(), user.secret_name.to_string());
    let Some(secret) = &user.secret else {
        if user.keys.len() < KEYS_PER_USER {
            return Ok(Standing::New);
        }
        return Err(Refusal::TwoKeys {
            user: name,
            keys: user.keys.iter().map(|key| report(user, key, now)).collect(),
        });
    };
    if let Some(until) = secret.deleted {
        return Err(Refusal::DeletedSecret { user: name, secret: secret_name, until });
    }
    let Some(owner) = secret.user() else {
        return Err(Refusal::ForeignSecret { user: name, secret: secret_name });
    };
    let id = secret.tag(tag_keys::USER_ID).unwrap_or("unknown");
    let is_same = owner.is_same_user(&name) && id == bound.id.as_str();
    if is_same {
        Ok(Standing::Managed(secret))
    } else {
        let which = if owner.is_same_user(&name) { "an earlier " } else { "" };
        Err(Refusal::SecretOfAnother { user: name, secret: secret_name, bound: format!("{which}{owner} ({id})") })
    }
}

fn report(user: &ObservedUser, key: &AccessKey, now: Timestamp) -> KeyReport {
    let age = ui::age(key.created, now);
    KeyReport { id: key.id.clone(), status: key.status, age, last_use: user.last_uses.get(&key.id).cloned() }
}

fn foreign_key(config: &Config, user: &BoundUser, key: &AccessKey, now: Timestamp) -> String {
    let status = if key.status == KeyStatus::Active { "Active" } else { "Inactive" };
    let fate = match config.settings.foreign {
        ForeignPolicy::Refuse => "it stays until a person retires it",
        ForeignPolicy::Retire => "it will be retired like a superseded key",
    };
    let age = ui::age(key.created, now);
    format!("{}: the key {} ({status}, {age} old) is there already; {fate}", user.name, key.id)
}
