//! What each user's keys and secret mean for the plan: go on, take over, import, or refuse.

use std::collections::BTreeMap;
use std::fmt;

use contract::{SecretArn, UserName, VersionToken, tag_keys};
use serde_json::Value as Json;

use super::found::{Found, View};
use super::standing::{self, Standing, room};
use super::{Adoption, Cell, GivenUpKey, Refusal, give_up, stacks};
use crate::aws::drift::Fate;
use crate::aws::secrets::Secret;
use crate::config::Config;
use crate::names::{SecretName, UserResources};
use crate::observe::{Elsewhere, Observed, ObservedUser};
use crate::template::{BoundUser, Resource, Template};

/// What the users bring to the plan.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Users {
    /// All of them, as IAM knows them.
    pub(super) bound: Vec<BoundUser>,
    /// The secrets that are taken over.
    pub(super) adoptions: Vec<Adoption>,
    /// The secrets that join the stack, by logical id.
    pub(super) imports: BTreeMap<String, SecretArn>,
    /// The rotations that never came to their end in those secrets.
    pub(super) unfinished: BTreeMap<SecretArn, VersionToken>,
    /// The keys that a person gives up.
    pub(super) given_up: Vec<GivenUpKey>,
    /// The users who have no managed key yet, and the names of their secrets.
    pub(super) unrotated: BTreeMap<UserName, String>,
    /// How those were found that are not, or not only, in keyturn's hands.
    pub(super) found: Vec<Found>,
    /// What whoever decides should know besides.
    pub(super) remarks: Vec<String>,
}

/// Looks at every user. `cells` are those that are wanted; whoever is in none of them cannot be served at all.
///
/// # Errors
/// Every [`Refusal`] there is.
pub(super) fn judge<'a>(
    config: &Config,
    observed: &Observed,
    deployed: &BTreeMap<usize, Template>,
    cells: impl Iterator<Item = &'a Cell>,
) -> Result<Users, Vec<Refusal>> {
    let members = members(observed, deployed);
    let drifts = Drifts::of(observed);
    let stacks: BTreeMap<&UserName, &str> =
        cells.flat_map(|cell| cell.users.iter().map(|user| (&user.name, cell.stack.as_str()))).collect();
    let (mut users, mut refusals) = (Users::default(), Vec::new());
    for user in &observed.users {
        let Some(bound) = &user.bound else {
            refusals.push(Refusal::UnknownUser(user.name.clone()));
            continue;
        };
        let member = members.get(&UserResources::of(&bound.name).secret);
        let stack = stacks.get(&bound.name).copied().unwrap_or(config.stack.as_str());
        let view = View { config, user, name: &bound.name, stack, now: observed.now };
        if let Err(refusal) = users.add(view, bound, member, &drifts) {
            refusals.push(refusal);
        }
        users.bound.push(bound.clone());
    }
    match give_up::judge(config, &observed.users) {
        Ok(keys) => {
            users.given_up = keys.due;
            users.remarks.extend(keys.remarks);
        }
        Err(more) => refusals.extend(more),
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

/// The resources of the stacks. What a stack that has failed never made is none of it.
fn members(observed: &Observed, deployed: &BTreeMap<usize, Template>) -> BTreeMap<String, Resource> {
    let mut members = BTreeMap::new();
    for (number, template) in deployed {
        let made = observed.cells.get(number).and_then(stacks::made);
        let is_made = |id: &String| made.as_ref().is_none_or(|made| made.contains(id.as_str()));
        members.extend(template.resources().into_iter().filter(|(id, _)| is_made(id)));
    }
    members
}

/// How each user was found by itself; `None` for one that is in keyturn's hands altogether, and a [`Refusal`] when a person
/// has to look first.
pub fn judge_each<'a>(
    config: &Config,
    observed: &'a Observed,
) -> Vec<(&'a ObservedUser, Result<Option<Found>, Refusal>)> {
    // A template that cannot be read is told by whoever looks at the stack.
    let deployed = super::deployed_cells(&observed.cells).unwrap_or_default();
    let (members, drifts) = (members(observed, &deployed), Drifts::of(observed));
    let judge = |user: &ObservedUser| {
        let Some(bound) = &user.bound else { return Err(Refusal::UnknownUser(user.name.clone())) };
        let member = members.get(&UserResources::of(&bound.name).secret);
        let (mut users, stack) = (Users::default(), config.stack.as_str());
        users.add(View { config, user, name: &bound.name, stack, now: observed.now }, bound, member, &drifts)?;
        Ok(users.found.pop())
    };
    observed.users.iter().map(|user| (user, judge(user))).collect()
}

impl Users {
    /// Decides about one user. `member` is the user's secret in a deployed template.
    fn add(
        &mut self,
        view: View<'_>,
        bound: &BoundUser,
        member: Option<&Resource>,
        drifts: &Drifts<'_>,
    ) -> Result<(), Refusal> {
        let View { config, user, name, stack, now } = view;
        let secret_name = user.secret_name.to_string();
        let room = || room(config, user, name, now);
        let is_member = member.is_some();
        let ids = UserResources::of(name);
        let standing = standing::standing(config, user, bound)?;
        if let Some(Elsewhere { stack, region }) = user.rotated_by.clone() {
            return Err(Refusal::RotatedElsewhere { user: name.clone(), stack, region });
        }
        match standing {
            // With another name it is another secret, and the one before stays.
            Standing::New if member.is_some_and(|member| is_called(member, &secret_name)) => {
                if !drifts.is_gone(&ids.secret) {
                    return Err(Refusal::LostSecret { user: name.clone(), secret: secret_name });
                }
                self.found.push(view.lost_secret(room()?));
                self.unrotated.insert(name.clone(), secret_name);
            }
            Standing::Adoptable(secret, _) | Standing::Managed(secret) if drifts.is_gone(&ids.secret) => {
                let (user, secret, stack) = (name.clone(), secret.name.clone(), stack.to_owned());
                return Err(Refusal::OtherSecret { user, secret, stack });
            }
            Standing::New => {
                self.found.push(view.new_user(room()?));
                self.unrotated.insert(name.clone(), secret_name);
            }
            Standing::Adoptable(secret, contents) => {
                match user.current_key().filter(|_| !user.lacks_key(secret)) {
                    Some(current) => self.found.push(view.adopted(secret, contents, current)),
                    None => {
                        self.found.push(view.adopted_without_key(secret, contents, room()?));
                        self.unrotated.insert(name.clone(), secret_name);
                    }
                }
                self.adoptions.push(standing::adoption(config, stack, (user, bound), (secret, contents), now));
                self.import(bound, secret);
            }
            Standing::Managed(secret) => {
                let room = if user.lacks_key(secret) { Some(room()?) } else { None };
                match (is_member, room) {
                    (false, room) => self.found.push(view.joining(room)),
                    (true, Some(room)) => self.found.push(view.without_key(room)),
                    (true, None) => {
                        self.found.extend(user.dead_key().map(|(key, dead)| view.with_dead_key(key, dead)));
                        let foreign = standing::foreign(config, user);
                        self.found.extend(foreign.map(|key| view.with_foreign_key(key)));
                    }
                }
                self.adoptions.extend(standing::joining(config, stack, bound, secret, is_member));
                if !is_member {
                    self.import(bound, secret);
                } else if drifts.has_drifted(&ids.rotation) {
                    let unfinished = secret.unfinished_rotation();
                    self.unfinished.extend(unfinished.map(|version| (secret.arn.clone(), version.clone())));
                }
                if room.is_some() {
                    self.unrotated.insert(name.clone(), secret_name);
                }
            }
        }
        Ok(())
    }

    /// Has a secret that exists join the stack.
    fn import(&mut self, bound: &BoundUser, secret: &Secret) {
        self.imports.insert(UserResources::of(&bound.name).secret, secret.arn.clone());
        let unfinished = secret.unfinished_rotation();
        self.unfinished.extend(unfinished.map(|version| (secret.arn.clone(), version.clone())));
    }
}

/// What was found to have been changed past CloudFormation, when somebody has looked.
struct Drifts<'a>(BTreeMap<&'a str, &'a Fate>);

impl<'a> Drifts<'a> {
    fn of(observed: &'a Observed) -> Self {
        let drifts = observed.cells.values().filter_map(|cell| cell.drift.as_ref());
        let resources = drifts.flat_map(|drift| &drift.resources);
        Self(resources.map(|found| (found.logical_id.as_str(), &found.fate)).collect())
    }

    fn is_gone(&self, logical_id: &str) -> bool {
        self.0.get(logical_id) == Some(&&Fate::Deleted)
    }

    fn has_drifted(&self, logical_id: &str) -> bool {
        matches!(self.0.get(logical_id), Some(Fate::Deleted | Fate::Changed(_)))
    }
}

/// Whether a secret of a template has this name.
fn is_called(secret: &Resource, name: &str) -> bool {
    secret.properties.get("Name").and_then(Json::as_str) == Some(name)
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
