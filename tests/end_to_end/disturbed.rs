//! A stage with many users, on which each one's calls are disturbed in another way, while R1 to R4 are watched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;
use std::time::Duration;

use aws_sdk_secretsmanager::error::ProvideErrorMetadata as _;
use sandbox::{FaultEffect, Options, World};
use serde_json::json;

use crate::invariants::{key_in, watch};
use crate::stage::{ACCOUNT, REGION, Stage};

pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// Longer than Secrets Manager goes on retrying.
pub(crate) const ALL_RETRIES: Duration = Duration::from_hours(6);

/// A schedule that stays out of the way: these tests say when to rotate and when to sweep.
pub(crate) const SELDOM: &str =
    "schedule: { every: 300d }\nretire: { max_key_age: 400d, deactivate_after: 1d, quiet: 1h, delete_after: 1d }";

/// So many users begin within one sweep without being paced.
const BURST: usize = 20;

/// So many rotations are under way at once, each in a process of its own.
const AT_ONCE: usize = 6;

/// A deactivation, a deletion, a rotation that is asked for again, and all of it once more for its key: so many days are
/// more than enough.
const MOST_DAYS: usize = 14;

/// Whose calls are disturbed, at which call about that user (the first is 0), and how. What the world goes through then
/// comes right before the call.
pub(crate) type Plan = BTreeMap<String, (usize, Disturbance)>;

/// What befalls a user of this name, by the beginning of the name.
pub(crate) type Effect = (&'static str, fn(&str) -> Disturbance);

pub(crate) struct Disturbance {
    pub(crate) effect: Option<FaultEffect>,
    pub(crate) jump: Duration,
}

impl From<FaultEffect> for Disturbance {
    fn from(effect: FaultEffect) -> Self {
        Self { effect: Some(effect), jump: Duration::ZERO }
    }
}

pub(crate) struct Disturbed {
    pub(crate) stage: Stage,
    pub(crate) users: Vec<String>,
}

impl Disturbed {
    /// Everything is deployed for these users, and each has a first key. The sweeper comes only when it is called.
    pub(crate) async fn with_keys(users: Vec<String>, options: Options, settings: &str) -> Self {
        let disturbed = Self::prepared(users, options, settings).await;
        let run = disturbed.stage.bootstrap(&[]).await;
        let log = disturbed.stage.function_log().await;
        assert_eq!(run.code, 0, "{run}{log}");
        disturbed
    }

    /// Everything is deployed, and no first rotation was let through.
    pub(crate) async fn without_keys(users: Vec<String>, options: Options, settings: &str) -> Self {
        let disturbed = Self::prepared(users, options, settings).await;
        let refuse = |world: &mut World| {
            world.sabotage(|_, upcoming| {
                let refusal = || sandbox::ApiError::new("InvalidRequestException", "not now");
                (upcoming.operation == "secretsmanager:RotateSecret").then(|| FaultEffect::FailBefore(refusal()))
            });
        };
        disturbed.stage.sandbox.visit(refuse).await;
        let run = disturbed.stage.bootstrap(&[]).await;
        assert_eq!(run.code, 3, "{run}");
        disturbed.undisturbed().await;
        disturbed
    }

    async fn prepared(users: Vec<String>, options: Options, settings: &str) -> Self {
        let names: Vec<&str> = users.iter().map(String::as_str).collect();
        let stage = Stage::with_options(&names, options).await;
        stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [{}]\n{settings}", names.join(", ")));
        watch(&stage).await;
        stage.sandbox.visit(|world| world.rotate_at_once(AT_ONCE)).await;
        Self { stage, users }
    }

    /// Has the plan befall the users, from their next call on. The receiver tells who was struck.
    pub(crate) async fn disturb(&self, mut plan: Plan) -> mpsc::Receiver<String> {
        let (tell, told) = mpsc::channel();
        let mut calls: BTreeMap<String, usize> = BTreeMap::new();
        let sabotage = move |world: &mut World| {
            world.sabotage(move |world, upcoming| {
                let is_function = upcoming.principal.contains("assumed-role/");
                let is_proof = upcoming.operation == "sts:GetCallerIdentity";
                let user = upcoming.subject.as_deref().map(user_of).filter(|_| is_function || is_proof)?;
                let call = calls.entry(user.to_owned()).or_default();
                *call += 1;
                if plan.get(user).is_none_or(|(nth, _)| *nth != *call - 1) {
                    return None;
                }
                let (_, Disturbance { effect, jump }) = plan.remove(user)?;
                world.jump(jump);
                // Nobody listens any more when a test has seen enough.
                let _ = tell.send(user.to_owned());
                effect
            });
        };
        self.stage.sandbox.visit(sabotage).await;
        told
    }

    /// From now on nothing is disturbed.
    pub(crate) async fn undisturbed(&self) {
        self.stage.sandbox.visit(|world| world.sabotage(|_, _| None)).await;
    }

    /// Has all rotated, and waits until nothing is under way.
    pub(crate) async fn rotate(&self) {
        let secrets = self.stage.secrets();
        for user in &self.users {
            // A refusal means that the rotation before is not complete: it is taken up again. But whoever is throttled
            // has to ask again.
            let ask = || secrets.rotate_secret().secret_id(format!("keyturn/{user}")).send();
            while ask().await.is_err_and(|error| error.code().is_some_and(|code| code.starts_with("Throttling"))) {}
        }
        self.stage.sandbox.settle().await;
    }

    /// Sweeps these users, and gives the kind of error if there was one, and the answer.
    pub(crate) async fn sweep(&self, users: &[String]) -> (Option<String>, serde_json::Value) {
        self.stage.invoke(json!({ "sweep": users }).to_string().as_bytes()).await
    }

    /// Sweeps all users, none of whom may fail.
    pub(crate) async fn sweep_all(&self) {
        for some in self.users.chunks(BURST) {
            let (failure, answer) = self.sweep(some).await;
            assert_eq!(failure, None, "{answer}");
        }
        self.stage.sandbox.settle().await;
    }

    /// Lets days pass, with a pass of the sweeper on each, until every user has one key, known to all, and nothing is
    /// left to do.
    pub(crate) async fn come_to_rest(&self, what: &str) {
        let mut restless = Vec::new();
        for _ in 0..MOST_DAYS {
            self.stage.sandbox.advance(DAY + HOUR).await;
            self.sweep_all().await;
            let users = self.users.clone();
            let look = move |world: &mut World| {
                let reasons = users.iter().filter_map(|user| unrest(world, user)).collect::<Vec<_>>();
                (reasons, world.findings().to_vec())
            };
            let (reasons, findings) = self.stage.sandbox.visit(look).await;
            assert_eq!(findings, [] as [String; 0], "{what}");
            restless = reasons;
            if restless.is_empty() {
                return self.stage.assert_no_secret_left_behind().await;
            }
        }
        panic!("{what}: no rest after {MOST_DAYS} days: {restless:#?}");
    }

    /// The keys in AWSCURRENT, by user.
    pub(crate) async fn current_keys(&self) -> BTreeMap<String, Option<String>> {
        let users = self.users.clone();
        let look = move |world: &mut World| {
            let current = |user: &String| key_in(&secret(world, user), "AWSCURRENT");
            users.iter().map(|user| (user.clone(), current(user))).collect()
        };
        self.stage.sandbox.visit(look).await
    }

    /// Everybody's key is another one than before.
    pub(crate) async fn assert_rotated_since(&self, before: &BTreeMap<String, Option<String>>, what: &str) {
        let now = self.current_keys().await;
        let same: Vec<&String> =
            now.iter().filter(|(user, key)| before[*user] == **key).map(|(user, _)| user).collect();
        assert!(same.is_empty(), "{what}: the rotation never ended for {same:?}");
    }
}

/// The user whom a subject of a call means: itself, or the name or the ARN of the secret.
pub(crate) fn user_of(subject: &str) -> &str {
    match subject.split_once("keyturn/") {
        None => subject,
        Some(("", name)) => name,
        // Behind the name stand a hyphen and six random characters.
        Some((_, name)) => name.get(..name.len() - 7).unwrap_or(name),
    }
}

pub(crate) fn secret(world: &World, user: &str) -> sandbox::SecretView {
    world.secret(ACCOUNT, REGION, &format!("keyturn/{user}")).unwrap()
}

/// What keeps a user from being at rest: one key, Active and current, and no mark, reason or rotation that hangs on.
fn unrest(world: &World, user: &str) -> Option<String> {
    let (secret, keys) = (secret(world, user), world.access_keys(ACCOUNT, user));
    let current = key_in(&secret, "AWSCURRENT");
    let ids: BTreeSet<&str> = keys.iter().map(sandbox::AccessKey::id).collect();
    let is_alone = current.as_deref().is_some_and(|current| ids == BTreeSet::from([current]));
    let pending = secret.labelled("AWSPENDING").filter(|pending| !pending.labels.contains("AWSCURRENT"));
    let tags = ["keyturn:blocked", "keyturn:key/", "keyturn:swept"];
    let tags: Vec<_> = secret.tags.iter().filter(|(tag, _)| tags.iter().any(|left| tag.starts_with(left))).collect();
    let rests = is_alone && pending.is_none() && tags.is_empty();
    (!rests).then(|| format!("{user}: current {current:?}, pending {pending:?}, keys {keys:?}, tags {tags:?}"))
}

/// A plan that strikes each user, named after what comes, at another call: `count` calls for each of these effects.
pub(crate) fn each_call(count: usize, effects: &[Effect]) -> Plan {
    let mut plan = Plan::new();
    for (name, effect) in effects {
        for nth in 0..count {
            let user = format!("{name}-{nth:02}");
            let disturbance = effect(&user);
            plan.insert(user, (nth, disturbance));
        }
    }
    plan
}

/// Of each effect a whole row of calls was struck, from the first on. Gives the length of the shortest row.
pub(crate) fn calls_struck(struck: &BTreeSet<String>, count: usize, effects: &[&str]) -> usize {
    let row = |name: &str| (0..count).take_while(|nth| struck.contains(&format!("{name}-{nth:02}"))).count();
    let rows: Vec<usize> = effects.iter().map(|name| row(name)).collect();
    assert_eq!(rows.iter().sum::<usize>(), struck.len(), "a call was struck behind one that was not: {struck:?}");
    rows.into_iter().min().unwrap()
}
