//! The rotation engine: calls a secret's function step by step, tries again what failed, and keeps the schedule.

use std::time::Duration;

use serde_json::json;

use super::schedule::{Rules, Window};
use super::secret::{CURRENT, PENDING, Secret, SecretValue};
use super::{Due, cancel, error};
use crate::services::events::{self, Event};
use crate::services::lambda::{self, InvocationId};
use crate::{ApiError, Outcome, World};

/// The principal that calls rotation functions.
pub(super) const PRINCIPAL: &str = "secretsmanager.amazonaws.com";

/// How often a failed rotation is tried again. AWS says "multiple times" and no more; any small number will do, as
/// long as a function must expect the repetition and also the end of it.
const RETRIES: u32 = 4;

/// The pause before each of them, which AWS does not tell either. It is longer than a function can run, so that a
/// retry never meets the attempt before it.
const RETRY_PAUSE: Duration = Duration::from_mins(20);

/// How a secret is rotated, and how far the rotation under way is.
#[derive(Debug)]
pub(super) struct Rotation {
    pub(super) enabled: bool,
    /// The ARN of the function.
    pub(super) function: String,
    pub(super) rules: Option<Rules>,
    pub(super) next: Option<Window>,
    attempt: Option<Attempt>,
}

/// A rotation under way, or waiting to be tried again.
#[derive(Debug)]
struct Attempt {
    /// The version that it is to make current.
    version: String,
    /// What the function may show to prove that it acts for this rotation.
    rotation_token: SecretValue,
    extent: Extent,
    failures: u32,
    /// The step that the function works on now.
    running: Option<InvocationId>,
}

/// What is done with a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All four steps.
    Full,
    /// testSecret alone, as a check of the configuration (RotateImmediately=false).
    Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Create,
    Set,
    Test,
    Finish,
}

/// The step of a rotation that a function invocation stands for.
#[derive(Debug)]
pub(crate) struct Run {
    arn: String,
    step: Step,
}

impl Rotation {
    pub(super) fn new(function: String, rules: Option<Rules>) -> Self {
        Self { enabled: true, function, rules, next: None, attempt: None }
    }
}

/// Starts a rotation. The new version bears AWSPENDING and has no value yet.
///
/// For a test of the configuration AWS "creates an AWSPENDING version of the secret and then removes it", and does
/// not say what it holds. Here it holds a copy of the current value: testSecret of AWS's own templates reads it, and
/// would fail always if there were none.
pub(super) fn start(world: &mut World, arn: &str, version: &str, extent: Extent) -> Result<(), ApiError> {
    let now = world.now();
    let rotation_token = new_rotation_token(world);
    let secret = secret(world, arn)?;
    let value = match extent {
        Extent::Full => None,
        Extent::Test => secret.labelled(CURRENT).and_then(|current| current.value.clone()),
    };
    secret.stage(version, value, now)?;
    begin(world, arn, version, rotation_token, extent);
    Ok(())
}

/// Goes on with a rotation that is not complete, from its first step and with its old ClientRequestToken.
pub(super) fn reattempt(world: &mut World, arn: &str) {
    let rotation_token = new_rotation_token(world);
    if attempt_of(world, arn).is_some_and(|attempt| attempt.running.is_some()) {
        return;
    }
    let Ok(secret) = secret(world, arn) else { return };
    let Some(version) = secret.incomplete().map(|version| version.id.clone()) else { return };
    begin(world, arn, &version, rotation_token, Extent::Full);
}

/// Ends the rotation under way, the retries and the schedule, and leaves the labels where they are.
pub(super) fn stop(world: &mut World, arn: &str) {
    cancel(world, Due::Rotation(arn.to_owned()));
    cancel(world, Due::Attempt(arn.to_owned()));
    if let Some(rotation) = rotation_of(world, arn) {
        rotation.attempt = None;
        rotation.next = None;
    }
}

/// Reckons the next rotation from now on.
pub(super) fn plan_next(world: &mut World, arn: &str) {
    let now = world.now();
    cancel(world, Due::Rotation(arn.to_owned()));
    let Some(rotation) = rotation_of(world, arn).filter(|rotation| rotation.enabled) else { return };
    rotation.next = rotation.rules.as_ref().and_then(|rules| rules.window_after(now));
    if let Some(window) = rotation.next {
        world.agenda.appoint(window.opens, Due::Rotation(arn.to_owned()).into());
    }
}

/// The rotation window opens.
pub(super) fn on_schedule(world: &mut World, arn: &str) {
    plan_next(world, arn);
    let version = world.random_uuid();
    let Ok(secret) = secret(world, arn) else { return };
    if secret.incomplete().is_some() {
        return reattempt(world, arn);
    }
    if let Err(error) = start(world, arn, &version, Extent::Full) {
        note(world, arn, "RotationFailed", Outcome::Refused(error.code));
    }
}

/// A rotation is called on for the first time, or again as a whole after it failed, as soon as there is room for it.
pub(super) fn begun(world: &mut World, arn: &str) {
    if has_room(world) { begin_attempt(world, arn) } else { world.secrets_manager.waiting.push_back(arn.to_owned()) }
}

/// Whether another rotation may be under way.
fn has_room(world: &World) -> bool {
    let Some(most) = world.secrets_manager.most_rotations else { return true };
    let attempts =
        world.secrets_manager.secrets.values().filter_map(|secret| secret.rotation.as_ref()?.attempt.as_ref());
    attempts.filter(|attempt| attempt.running.is_some()).count() < most
}

fn begin_attempt(world: &mut World, arn: &str) {
    let Some(attempt) = attempt_of(world, arn).filter(|attempt| attempt.running.is_none()) else { return };
    let (version, extent, failures) = (attempt.version.clone(), attempt.extent, attempt.failures);
    let labels = secret(world, arn).ok().and_then(|secret| secret.version(&version)).map(|version| &version.labels);
    if !labels.is_some_and(|labels| labels.contains(PENDING) || labels.contains(CURRENT)) {
        // Somebody has taken the label off.
        return end(world, arn, "RotationAbandoned", Outcome::Done);
    }
    match extent {
        Extent::Full if failures == 0 => note(world, arn, "RotationStarted", Outcome::Done),
        Extent::Full => {}
        Extent::Test => note(world, arn, "TestRotationStarted", Outcome::Done),
    }
    run(world, arn, if extent == Extent::Full { Step::Create } else { Step::Test });
}

/// Takes the end of a step, and begins the rotations that there is room for by now.
pub(crate) fn step_ended(world: &mut World, id: InvocationId, run_of: &Run, outcome: Result<(), ApiError>) {
    go_on(world, id, run_of, outcome);
    admit_waiting(world);
}

/// Begins the rotations that have waited for their turn and that there is room for.
pub(super) fn admit_waiting(world: &mut World) {
    while has_room(world)
        && let Some(arn) = world.secrets_manager.waiting.pop_front()
    {
        begin_attempt(world, &arn);
    }
}

fn go_on(world: &mut World, id: InvocationId, run_of: &Run, outcome: Result<(), ApiError>) {
    let Run { arn, step } = run_of;
    // A rotation that was cancelled meanwhile no longer waits for this.
    let Some(attempt) = attempt_of(world, arn).filter(|attempt| attempt.running == Some(id)) else { return };
    attempt.running = None;
    let extent = attempt.extent;
    let outcome = outcome.and_then(|()| check_step(world, arn, *step, extent));
    match (outcome, extent, step) {
        (outcome, Extent::Test, _) => end_test(world, arn, outcome),
        (Err(error), ..) => failed(world, arn, error),
        (Ok(()), _, Step::Create) => run(world, arn, Step::Set),
        (Ok(()), _, Step::Set) => run(world, arn, Step::Test),
        (Ok(()), _, Step::Test) => run(world, arn, Step::Finish),
        (Ok(()), _, Step::Finish) => completed(world, arn),
    }
}

/// Whether a rotation is under way that gave the function this RotationToken.
pub(super) fn accepts(secret: &Secret, rotation_token: &str) -> bool {
    let attempt = secret.rotation.as_ref().and_then(|rotation| rotation.attempt.as_ref());
    attempt.is_some_and(|attempt| attempt.rotation_token.expose() == rotation_token)
}

/// Checks at configuration time that the function can be called at all.
pub(super) fn check_function(world: &World, arn: &str, function: &str) -> Result<(), ApiError> {
    if !lambda::exists(world, function) {
        let message = format!("Secrets Manager can't find the specified Lambda function: {function}");
        return Err(ApiError::new("ResourceNotFoundException", message));
    }
    if !lambda::admits(world, function, PRINCIPAL, arn)? {
        return Err(ApiError::new(
            "AccessDeniedException",
            "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.",
        ));
    }
    Ok(())
}

/// Enters the first step on the agenda: RotateSecret starts an asynchronous process and does not wait for it.
fn begin(world: &mut World, arn: &str, version: &str, rotation_token: SecretValue, extent: Extent) {
    cancel(world, Due::Attempt(arn.to_owned()));
    let Some(rotation) = rotation_of(world, arn) else { return };
    let attempt = Attempt { version: version.to_owned(), rotation_token, extent, failures: 0, running: None };
    rotation.attempt = Some(attempt);
    world.agenda.work_after(Duration::ZERO, Due::Attempt(arn.to_owned()).into());
}

/// A RotationToken; the model allows letters, digits and hyphens in it.
fn new_rotation_token(world: &mut World) -> SecretValue {
    let token = world.random_uuid();
    world.hide(&token);
    SecretValue::new(token)
}

/// Has the function do one step.
fn run(world: &mut World, arn: &str, step: Step) {
    let Some(rotation) = rotation_of(world, arn) else { return };
    let Some(attempt) = &rotation.attempt else { return };
    let event = json!({
        "Step": step.name(),
        "SecretId": arn,
        "ClientRequestToken": attempt.version,
        "RotationToken": attempt.rotation_token.expose(),
    });
    let function = rotation.function.clone();
    let purpose = lambda::Purpose::Rotation(Run { arn: arn.to_owned(), step });
    match lambda::invoke_for(world, PRINCIPAL, arn, &function, event.to_string().into_bytes(), purpose) {
        Ok(id) => {
            if let Some(attempt) = attempt_of(world, arn) {
                attempt.running = Some(id);
            }
        }
        Err(error) if attempt_of(world, arn).is_some_and(|attempt| attempt.extent == Extent::Test) => {
            end_test(world, arn, Err(error));
        }
        Err(error) => failed(world, arn, error),
    }
}

/// What must be true after a step that the function calls successful.
fn check_step(world: &mut World, arn: &str, step: Step, extent: Extent) -> Result<(), ApiError> {
    let unfinished = |what: &str| Err(ApiError::new("RotationUnfinished", what));
    let Some(version) = attempt_of(world, arn).map(|attempt| attempt.version.clone()) else { return Ok(()) };
    let secret = secret(world, arn)?;
    let Some(version) = secret.version(&version) else { return unfinished("the pending version is gone") };
    match step {
        _ if extent == Extent::Test => Ok(()),
        Step::Create if version.value.is_none() => unfinished("the pending version was not created by the function"),
        Step::Finish if !version.labels.contains(CURRENT) => unfinished("the pending version did not become current"),
        Step::Create | Step::Set | Step::Test | Step::Finish => Ok(()),
    }
}

fn completed(world: &mut World, arn: &str) {
    let now = world.now();
    if let Ok(secret) = secret(world, arn) {
        secret.rotated = Some(now);
        secret.changed = now;
    }
    end(world, arn, "RotationSucceeded", Outcome::Done);
    plan_next(world, arn);
}

fn failed(world: &mut World, arn: &str, error: ApiError) {
    let Some(attempt) = attempt_of(world, arn) else { return };
    attempt.failures += 1;
    if attempt.failures > RETRIES {
        return end(world, arn, "RotationFailed", Outcome::Refused(error.code));
    }
    note(world, arn, "RotationFailed", Outcome::Refused(error.code));
    let at = world.agenda.after(RETRY_PAUSE);
    world.agenda.appoint(at, Due::Attempt(arn.to_owned()).into());
}

/// The version of a test is removed, whatever came of it.
fn end_test(world: &mut World, arn: &str, outcome: Result<(), ApiError>) {
    let version = attempt_of(world, arn).map(|attempt| attempt.version.clone());
    if let (Some(version), Ok(secret)) = (version, secret(world, arn)) {
        secret.discard(&version);
    }
    match outcome {
        Ok(()) => end(world, arn, "TestRotationSucceeded", Outcome::Done),
        Err(error) => end(world, arn, "TestRotationFailed", Outcome::Refused(error.code)),
    }
}

fn end(world: &mut World, arn: &str, event: &str, outcome: Outcome) {
    if let Some(rotation) = rotation_of(world, arn) {
        rotation.attempt = None;
    }
    note(world, arn, event, outcome);
}

/// Writes into the call log what AWS writes into CloudTrail, from where EventBridge has it (Secrets Manager user guide,
/// "Match AWS Secrets Manager events with Amazon EventBridge").
fn note(world: &mut World, arn: &str, event: &str, outcome: Outcome) {
    world.note_call(PRINCIPAL, &format!("secretsmanager:{event}"), outcome);
    let part = |index| arn.split(':').nth(index).unwrap_or_default().to_owned();
    let (account, region) = (part(4), part(3));
    let detail = json!({
        "eventSource": PRINCIPAL,
        "eventName": event,
        "eventType": "AwsServiceEvent",
        "awsRegion": region,
        "recipientAccountId": account,
        "additionalEventData": { "SecretId": arn },
    });
    let detail_type = "AWS Service Event via CloudTrail".to_owned();
    let (source, resources) = ("aws.secretsmanager".to_owned(), Vec::new());
    events::publish(world, Event { account, region, source, detail_type, resources, detail });
}

fn secret<'a>(world: &'a mut World, arn: &str) -> Result<&'a mut Secret, ApiError> {
    world.secrets_manager.secrets.get_mut(arn).ok_or_else(error::not_found)
}

fn rotation_of<'a>(world: &'a mut World, arn: &str) -> Option<&'a mut Rotation> {
    world.secrets_manager.secrets.get_mut(arn)?.rotation.as_mut()
}

fn attempt_of<'a>(world: &'a mut World, arn: &str) -> Option<&'a mut Attempt> {
    rotation_of(world, arn)?.attempt.as_mut()
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Create => "createSecret",
            Self::Set => "setSecret",
            Self::Test => "testSecret",
            Self::Finish => "finishSecret",
        }
    }
}
