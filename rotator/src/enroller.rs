//! One pass over the users of the account, where the function finds its users itself: look, decide and act for each,
//! whatever happens to the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{Enrolment, KeyMark, SecretArn, SecretDocument, Settings, UserName, VersionToken, tag_keys};
use serde::Serialize;
use tokio::time::Instant;

use crate::act::{TIME_TO_ACT, Target};
use crate::aws::secrets::{NewSecret, Rotation};
use crate::aws::{Clients, iam, secrets};
use crate::enrol::{self, Candidate, EnrolStep, Found, NotEnrolled, Standing};
use crate::error::RotationError;
use crate::log;
use crate::observed::{PENDING, User};
use crate::pace;
use crate::sweeper::TIME_TO_READ;

/// What a pass works with.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) stack: String,
    /// The function itself, which is to rotate whom it enrols.
    pub(crate) function: String,
    pub(crate) enrolment: Enrolment,
}

/// What a pass has done, as the answer and the log tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// The users who are enrolled by now.
    pub(crate) enrolled: usize,
    /// Those among them whose secret is new.
    pub(crate) joined: usize,
    /// Those who had left and are back.
    pub(crate) returned: usize,
    /// Those whose rotation was turned off, because they are not meant any more.
    pub(crate) departed: usize,
    /// How many are meant and cannot be enrolled, for each reason.
    pub(crate) blocked: BTreeMap<&'static str, usize>,
    /// Those who could not be judged, or whom something failed for; the next pass tries again.
    pub(crate) failed: usize,
    /// Those for whom no time was left; a later pass begins with them.
    pub(crate) left: usize,
}

/// What a pass has found and done for one candidate.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) standing: Standing,
    pub(crate) steps: Result<Vec<EnrolStep>, NotEnrolled>,
}

/// Enrols whoever is meant, and lets go whoever is not any more, as many as there is time for; `end` is when Lambda will end
/// the function.
pub(crate) async fn enrol(
    clients: &Clients,
    settings: &Settings,
    place: Place,
    end: Instant,
) -> Result<Report, RotationError> {
    let listed = secrets::of_stack(clients, &place.stack).await?;
    let people = iam::people(clients, &place.enrolment.path).await;
    let all_told = people.failure.is_none();
    let latest = end.checked_sub(TIME_TO_READ + TIME_TO_ACT).unwrap_or(end);
    let passes = people.now.map_or(0, |now| now.as_second() / settings.sweep_every.as_secs().cast_signed().max(1));
    let schedule = place.enrolment.schedule_tag();
    let (settled, open) = settled(enrol::candidates(people.people, listed), &place.enrolment, &schedule, all_told);
    let queue = enrol::queue(open, usize::try_from(passes).unwrap_or(0), pace::reach(latest));
    let (shared, place) = (clients.clone(), Arc::new(place));
    let paced = pace::for_each(queue, latest, |candidate| {
        let (clients, place) = (shared.clone(), place.clone());
        async move {
            let outcome = enrol_one(&clients, &place, &candidate, all_told, end).await;
            log::enrolled(candidate.name(), &outcome);
            outcome
        }
    });
    let paced = paced.await;
    let report = Report::of(settled, &paced.done, paced.left);
    log::enrolment(&report, &place.stack);
    match (people.failure, report.failed) {
        (Some(error), _) => Err(error),
        (None, 0) => Ok(report),
        (None, failed) => Err(RotationError::EnrolmentIncomplete { failed }),
    }
}

/// Takes out the candidates about whom nothing more has to be asked. Gives how they stand, and the others.
fn settled(
    candidates: Vec<Candidate>,
    enrolment: &Enrolment,
    schedule: &str,
    all_told: bool,
) -> (Vec<Standing>, Vec<Candidate>) {
    let (mut settled, mut open) = (Vec::new(), Vec::new());
    for candidate in candidates {
        match candidate.standing(enrolment, all_told) {
            Some(standing) if candidate.is_settled(standing, schedule) => settled.push(standing),
            _ => open.push(candidate),
        }
    }
    (settled, open)
}

async fn enrol_one(
    clients: &Clients,
    place: &Place,
    candidate: &Candidate,
    all_told: bool,
    end: Instant,
) -> Result<Outcome, RotationError> {
    let standing = standing(clients, &place.enrolment, candidate, all_told).await?;
    let schedule = place.enrolment.schedule_tag();
    let nothing = Ok(Outcome { standing, steps: Ok(Vec::new()) });
    if candidate.is_settled(standing, &schedule) {
        return nothing;
    }
    let Some(name) = candidate.name() else { return nothing };
    let person = candidate.person.as_ref();
    let id = candidate.secret.as_ref().map_or_else(|| name.secret_name(), |secret| secret.arn.to_string());
    let seen = look(clients, &id, &place.stack, standing).await?;
    let (arn, found) = seen.map_or((None, None), |(arn, found)| (Some(arn), Some(found)));
    let steps = enrol::decide(person, standing, found.as_ref(), &place.stack, &schedule);
    let mut work = Work { clients, place, person, name, arn, found: found.as_ref() };
    for step in steps.iter().flatten() {
        if Instant::now() + TIME_TO_ACT > end {
            return Err(RotationError::OutOfTime);
        }
        if !work.act(step).await? {
            break;
        }
    }
    Ok(Outcome { standing, steps })
}

/// Whether the user is meant, with the tags where they decide.
async fn standing(
    clients: &Clients,
    enrolment: &Enrolment,
    candidate: &Candidate,
    all_told: bool,
) -> Result<Standing, RotationError> {
    if let Some(standing) = candidate.standing(enrolment, all_told) {
        return Ok(standing);
    }
    let Some(person) = &candidate.person else { return Ok(Standing::Unknown) };
    match iam::tags(clients, &person.name).await? {
        Some(tags) if enrolment.covers_tags(&tags) => Ok(Standing::Meant),
        // Deleted since the listing.
        Some(_) | None => Ok(Standing::NotMeant),
    }
}

/// The secret as it is now. Whether it holds a key is asked only where its rotation is to begin.
async fn look(
    clients: &Clients,
    id: &str,
    stack: &str,
    standing: Standing,
) -> Result<Option<(SecretArn, Found)>, RotationError> {
    let Some((arn, description)) = secrets::find(clients, id).await? else { return Ok(None) };
    let is_ours = description.tags.get(tag_keys::STACK).is_some_and(|of| of == stack) && !description.deleted;
    let is_to_begin = standing == Standing::Meant && is_ours && description.rotation_enabled != Some(true);
    let holds_key = is_to_begin && secrets::current_value(clients, &arn).await?.key.is_some();
    Ok(Some((arn, Found { description, holds_key })))
}

/// What one candidate's steps are done with.
struct Work<'a> {
    clients: &'a Clients,
    place: &'a Place,
    person: Option<&'a User>,
    name: &'a UserName,
    arn: Option<SecretArn>,
    found: Option<&'a Found>,
}

impl Work<'_> {
    /// Does one step; `false` when the others are for another pass.
    async fn act(&mut self, step: &EnrolStep) -> Result<bool, RotationError> {
        let Self { clients, place, .. } = *self;
        if *step == EnrolStep::Create {
            self.arn = self.create().await?;
        }
        // Somebody else was faster, perhaps another pass; the next one sees what came of it.
        let Some(arn) = &self.arn else { return Ok(false) };
        match step {
            EnrolStep::Create => {}
            EnrolStep::Start { first, at_once } => {
                let rotation = Rotation {
                    function: &place.function,
                    schedule: &place.enrolment.schedule,
                    window: place.enrolment.window,
                    at_once: *at_once,
                    // Two passes at once, or one whose answer was lost, begin one rotation.
                    token: first.then(|| VersionToken::derived(&["enrol", arn.as_str()])),
                };
                secrets::turn_on(clients, arn, &rotation).await?;
            }
            EnrolStep::Note => {
                secrets::tag(clients, arn, tag_keys::SCHEDULE, &place.enrolment.schedule_tag()).await?;
            }
            EnrolStep::Mark => {
                let now = self.found.map(|found| found.description.now.to_string()).unwrap_or_default();
                secrets::tag(clients, arn, tag_keys::LEFT, &now).await?;
            }
            EnrolStep::Unmark => secrets::untag(clients, arn, vec![tag_keys::LEFT.to_owned()]).await?,
            EnrolStep::Cancel => secrets::turn_off(clients, arn).await?,
            EnrolStep::Drop(token) => self.drop(arn, token).await?,
        }
        Ok(true)
    }

    /// Makes the secret. The token makes a request that is repeated the same request.
    async fn create(&self) -> Result<Option<SecretArn>, RotationError> {
        let Some(user) = self.person else { return Ok(None) };
        let Place { stack, enrolment, .. } = self.place;
        let name = user.name.secret_name();
        let mut tags = vec![
            (tag_keys::USER.to_owned(), user.name.to_tag()),
            (tag_keys::USER_ID.to_owned(), user.id.to_string()),
            (tag_keys::STACK.to_owned(), stack.clone()),
            (tag_keys::SCHEDULE.to_owned(), enrolment.schedule_tag()),
        ];
        tags.extend(enrolment.render.to_tag().map(|names| (tag_keys::RENDER.to_owned(), names)));
        let secret = NewSecret {
            token: VersionToken::derived(&["create", &name, user.id.as_str()]),
            description: format!("The access key of the IAM user {}, rotated by keyturn", user.name),
            value: SecretDocument::placeholder(user.name.clone()).to_text(),
            kms_key: enrolment.kms_key.as_deref(),
            name,
            tags,
        };
        secrets::create(self.clients, secret).await
    }

    /// Gives up a version that will not become current. If it holds a key already, that is marked as superseded.
    async fn drop(&self, arn: &SecretArn, token: &VersionToken) -> Result<(), RotationError> {
        let value = secrets::value(self.clients, arn, token).await?;
        let key = value.and_then(|value| value.document(PENDING).ok()).and_then(|document| document.key);
        if let (Some(key), Some(found)) = (key, self.found) {
            let target = Target { clients: self.clients, secret: arn, user: self.name };
            target.mark(&key.id, KeyMark { superseded: found.description.now, deactivated: None }).await?;
        }
        Ok(secrets::drop_pending(self.clients, arn, token).await?)
    }
}

impl Report {
    fn of(settled: Vec<Standing>, done: &[Result<Outcome, RotationError>], left: usize) -> Self {
        let is_meant = |standing: &Standing| *standing == Standing::Meant;
        let mut report = Self {
            enrolled: settled.iter().filter(|standing| is_meant(standing)).count(),
            failed: done.iter().filter(|done| done.is_err()).count(),
            left,
            ..Self::default()
        };
        for Outcome { standing, steps } in done.iter().flatten() {
            match steps {
                Err(why) => *report.blocked.entry(why.name()).or_default() += 1,
                Ok(steps) => {
                    let does = |step: &EnrolStep| usize::from(steps.contains(step));
                    report.enrolled += usize::from(is_meant(standing));
                    report.joined += does(&EnrolStep::Create);
                    report.returned += does(&EnrolStep::Unmark);
                    report.departed += does(&EnrolStep::Cancel);
                }
            }
        }
        report
    }
}
