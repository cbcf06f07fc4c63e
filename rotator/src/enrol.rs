//! The decisions about users whom nobody has named: who is enrolled, who leaves, and what that takes. Pure functions from
//! what IAM and the secrets say to what is to be done.
//!
//! A user who is not known to have left is not let go, and one who is not known to be meant is not enrolled (R5).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use contract::{Enrolment, UserName, VersionToken, tag_keys};
use jiff::Timestamp;

use crate::aws::secrets::Listed;
use crate::observed::{Description, User};
use crate::protocol::claimed;

/// How long a rotation of somebody who leaves may take to its end. One that is stuck, or for which the permission went
/// together with the tag or the path, never gets there.
const END_WITHIN: Duration = Duration::from_secs(86_400);

/// Whom a pass looks at: a user, a secret of the stack, or both.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// The user; `None` when there is none of that name below the path, or when IAM did not tell.
    pub(crate) person: Option<User>,
    /// The secret, if the listing has it.
    pub(crate) secret: Option<Listed>,
}

/// Whether a user is to be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Meant,
    /// Certainly not, or there is no such user any more.
    NotMeant,
    /// IAM has not told all of it.
    Unknown,
}

/// A user's secret, as it is at this moment.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) description: Description,
    /// Whether AWSCURRENT holds a key; looked up only where a rotation is to begin.
    pub(crate) holds_key: bool,
}

/// One change. What is done of several is left in a state that the next pass understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EnrolStep {
    /// The secret is made, with the user's name and no key.
    Create,
    /// Its rotation is turned on, for the first time or again. `at_once`: it holds no key that could wait for the schedule.
    Start { first: bool, at_once: bool },
    /// Notes which schedule it has.
    Note,
    /// Notes that the user has left, and when.
    Mark,
    /// Takes that note off.
    Unmark,
    /// Its rotation is turned off.
    Cancel,
    /// The version of a rotation that will not come to its end any more loses its label.
    Drop(VersionToken),
}

/// Why somebody who is meant is not rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotEnrolled {
    /// The secret of that name is none of this stack's, or another user's.
    NameTaken,
    /// The secret of that name waits for its deletion.
    NameInDeletion,
    /// The secret belongs to another user of the same name, who is gone.
    UserReplaced,
    /// The user had another name before, and the secret still bears it.
    Renamed,
    /// A person has turned the rotation off.
    TurnedOff,
}

/// Brings users and secrets together, by the name, or by the id of somebody who has another name by now.
pub(crate) fn candidates(people: Vec<User>, mut secrets: Vec<Listed>) -> Vec<Candidate> {
    // Of a secret that is not named after its user the sweeper tells. Here it must not stand in for the one that is.
    secrets.retain(|secret| secret.user.as_ref().is_none_or(|user| user.secret_name() == secret.name));
    let names: BTreeMap<String, usize> = index(&people, |person| person.name.as_str().to_ascii_lowercase());
    let ids: BTreeMap<String, usize> = index(&people, |person| person.id.to_string());
    let mut all: Vec<Candidate> =
        people.into_iter().map(|person| Candidate { person: Some(person), secret: None }).collect();
    let mut others = Vec::new();
    for secret in secrets {
        let by_name = secret.user.as_ref().and_then(|user| names.get(&user.as_str().to_ascii_lowercase()));
        let by_id = || secret.user_id.as_ref().and_then(|id| ids.get(id.as_str()));
        match by_name.or_else(by_id).and_then(|place| all.get_mut(*place)) {
            Some(candidate) if candidate.secret.is_none() => candidate.secret = Some(secret),
            // Somebody has made a second one for the user; whatever it is, it is not for this pass to end it.
            Some(_) => {}
            None => others.push(Candidate { person: None, secret: Some(secret) }),
        }
    }
    all.extend(others);
    all
}

fn index(people: &[User], key: impl Fn(&User) -> String) -> BTreeMap<String, usize> {
    people.iter().enumerate().map(|(place, person)| (key(person), place)).collect()
}

/// The candidates in the order of this pass. Where one pass does not get to all of them, each begins behind the one
/// before: `pass` counts them, and a pass reaches so many as `reach` says.
pub(crate) fn queue(mut candidates: Vec<Candidate>, pass: usize, reach: usize) -> Vec<Candidate> {
    if candidates.len() > reach {
        let start = pass.wrapping_mul(reach.max(1)) % candidates.len();
        candidates.rotate_left(start);
    }
    candidates
}

impl Candidate {
    /// The name that the pass tells.
    pub(crate) fn name(&self) -> Option<&UserName> {
        let person = self.person.as_ref().map(|person| &person.name);
        person.or_else(|| self.secret.as_ref().and_then(|secret| secret.user.as_ref()))
    }

    /// Whether the user is meant, as far as that is known without the tags; `None` when they decide. `all_told`: IAM has
    /// listed everybody.
    pub(crate) fn standing(&self, enrolment: &Enrolment, all_told: bool) -> Option<Standing> {
        match &self.person {
            None if all_told => Some(Standing::NotMeant),
            None => Some(Standing::Unknown),
            Some(person) if !enrolment.may_cover(&person.name, &person.path) => Some(Standing::NotMeant),
            Some(_) if enrolment.asks_for_tags() => None,
            Some(_) => Some(Standing::Meant),
        }
    }

    /// Whether there is nothing to do, as far as the listing tells. It may be minutes old, so what looks settled is looked
    /// at again by the next pass; what does not is never changed without a closer look.
    pub(crate) fn is_settled(&self, standing: Standing, schedule: &str) -> bool {
        let person = self.person.as_ref();
        match (&self.secret, standing) {
            (_, Standing::Unknown) | (None, Standing::NotMeant) => true,
            (None, Standing::Meant) => false,
            (Some(secret), Standing::Meant) => {
                let is_theirs = person.is_some_and(|user| {
                    Some(&user.id) == secret.user_id.as_ref() && user.name.secret_name() == secret.name
                });
                is_theirs && secret.is_rotated && secret.left.is_none() && secret.schedule.as_deref() == Some(schedule)
            }
            (Some(secret), Standing::NotMeant) => !secret.is_rotated && secret.left.is_some(),
        }
    }
}

/// Decides about one candidate, whose secret was looked at just now; `None` when there is none.
pub(crate) fn decide(
    person: Option<&User>,
    standing: Standing,
    found: Option<&Found>,
    stack: &str,
    schedule: &str,
) -> Result<Vec<EnrolStep>, NotEnrolled> {
    let told = |why| if standing == Standing::Meant { Err(why) } else { Ok(Vec::new()) };
    let Some(found) = found else {
        let create = vec![EnrolStep::Create, EnrolStep::Start { first: true, at_once: true }];
        return Ok(if standing == Standing::Meant { create } else { Vec::new() });
    };
    let secret = &found.description;
    if secret.tags.get(tag_keys::STACK).map(String::as_str) != Some(stack) {
        return told(if secret.deleted { NotEnrolled::NameInDeletion } else { NotEnrolled::NameTaken });
    }
    if secret.deleted {
        return told(NotEnrolled::NameInDeletion);
    }
    // Of a secret that has lost its binding the sweeper tells, and who is held is left alone.
    let (Ok(binding), false) = (claimed(secret), secret.tags.contains_key(tag_keys::HOLD)) else {
        return Ok(Vec::new());
    };
    if let Some(person) = person {
        match (binding.user.is_same_user(&person.name), binding.id == person.id) {
            // The same in other letters: Secrets Manager tells them apart.
            (true, true) if secret.name != person.name.secret_name() => return told(NotEnrolled::Renamed),
            (true, true) => {}
            (true, false) => return told(NotEnrolled::UserReplaced),
            (false, true) => return told(NotEnrolled::Renamed),
            (false, false) => return told(NotEnrolled::NameTaken),
        }
    }
    match standing {
        Standing::Unknown => Ok(Vec::new()),
        Standing::Meant => enrol(found, schedule),
        Standing::NotMeant => Ok(let_go(secret)),
    }
}

/// Brings the secret of somebody who is meant to where it is rotated by the schedule.
fn enrol(found: &Found, schedule: &str) -> Result<Vec<EnrolStep>, NotEnrolled> {
    let secret = &found.description;
    let has_left = secret.tags.contains_key(tag_keys::LEFT);
    let is_noted = secret.tags.get(tag_keys::SCHEDULE).map(String::as_str) == Some(schedule);
    let at_once = !found.holds_key;
    let mut steps = Vec::new();
    match secret.rotation_enabled {
        // A rotation that is under way has to end before the schedule can be changed.
        Some(true) if is_noted || secret.unfinished().is_some() => {}
        Some(true) => steps.push(EnrolStep::Start { first: false, at_once: false }),
        Some(false) if !has_left => return Err(NotEnrolled::TurnedOff),
        Some(false) => {
            // Secrets Manager turns nothing on while it waits for another version.
            steps.extend(secret.unfinished().cloned().map(EnrolStep::Drop));
            steps.push(EnrolStep::Start { first: false, at_once });
        }
        None => steps.push(EnrolStep::Start { first: true, at_once }),
    }
    if !steps.is_empty() && !is_noted {
        steps.push(EnrolStep::Note);
    }
    if has_left {
        steps.push(EnrolStep::Unmark);
    }
    Ok(steps)
}

/// Ends the rotation of somebody who is not meant any more. Key and secret stay.
fn let_go(secret: &Description) -> Vec<EnrolStep> {
    let left = secret.tags.get(tag_keys::LEFT);
    let is_over = |left: &String| {
        let since = left.parse::<Timestamp>().ok().map(|left| secret.now.duration_since(left));
        since.is_none_or(|since| Duration::try_from(since).is_ok_and(|since| since >= END_WITHIN))
    };
    // The note is made before, so that nobody takes this for a person's doing, and once more behind: somebody who came back
    // for a moment may have taken it off in between.
    let end = [EnrolStep::Cancel, EnrolStep::Mark];
    match (secret.rotation_enabled, secret.unfinished(), left) {
        (Some(true), None, None) => [EnrolStep::Mark].into_iter().chain(end).collect(),
        (Some(true), None, Some(_)) => end.to_vec(),
        (Some(true), Some(_), None) | (None, _, None) => vec![EnrolStep::Mark],
        (Some(true), Some(token), Some(left)) if is_over(left) => {
            end.into_iter().chain([EnrolStep::Drop(token.clone())]).collect()
        }
        (Some(true), Some(_), Some(_)) | (Some(false), ..) | (None, _, Some(_)) => Vec::new(),
    }
}

impl NotEnrolled {
    /// The reason's name, for the log and the answer.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NameTaken => "name_taken",
            Self::NameInDeletion => "name_in_deletion",
            Self::UserReplaced => "user_replaced",
            Self::Renamed => "renamed",
            Self::TurnedOff => "rotation_off",
        }
    }
}

impl fmt::Display for NotEnrolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameTaken => "a secret of the name that the user's would have is none of this stack's",
            Self::NameInDeletion => "a secret of the name that the user's would have waits for its deletion",
            Self::UserReplaced => {
                "the secret belongs to a user of the same name who is gone; delete it to have a new one"
            }
            Self::Renamed => "the user had another name when the secret was made; delete that secret to have a new one",
            Self::TurnedOff => "somebody has turned the rotation of the user's secret off",
        })
    }
}

impl fmt::Display for EnrolStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => f.write_str("made the secret"),
            Self::Start { at_once: true, .. } => f.write_str("turned rotation on, beginning at once"),
            Self::Start { at_once: false, .. } => f.write_str("turned rotation on, by the schedule"),
            Self::Note => f.write_str("noted the schedule"),
            Self::Mark => f.write_str("noted that the user has left"),
            Self::Unmark => f.write_str("noted that the user is back"),
            Self::Cancel => f.write_str("turned rotation off"),
            Self::Drop(token) => write!(f, "gave the version {token} up"),
        }
    }
}

#[cfg(test)]
mod tests;
