//! A function that finds its users itself: the one template for many accounts, deployed into one of them.

mod interruptions;
mod least_privilege;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_cloudformation::types::{Capability, ChangeSetType};
use contract::{Enrolment, Exempt, Renderings};
use installer::config::{Architecture, Config};
use installer::template::{self, CodeLocation};
use sandbox::{ApiError, Fault, FaultEffect, KeyStatus, World};
use serde_json::{Value, json};

use crate::invariants::{key_in, watch};
use crate::stage::{ACCOUNT, REGION, Stage, function};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Longer than Secrets Manager goes on retrying.
const ALL_RETRIES: Duration = Duration::from_hours(6);

const BUCKET: &str = "artifacts-of-the-organization";

/// What a service might call the stack. Nothing in it is called after that.
const STACK: &str = "StackSet-keyturn-6b1c1d8e-0000-4000-8000-000000000000";

/// An account with the stack in it.
struct Member {
    stage: Stage,
    enrolment: Enrolment,
}

/// Users below `/service/` with the tag `rotate`, but for those with `keyturn=never`.
fn enrolment() -> Enrolment {
    Enrolment {
        path: "/service/".to_owned(),
        tags: [("rotate".to_owned(), "yes".to_owned())].into(),
        exempt: Exempt { tags: [("keyturn".to_owned(), "never".to_owned())].into(), ..Exempt::default() },
        schedule: "rate(30 days)".to_owned(),
        window: None,
        kms_key: None,
        render: Renderings::AsFound,
    }
}

impl Member {
    /// The stack is deployed; passes come only when they are asked for, and R1 to R4 are watched.
    async fn deployed(enrolment: Enrolment, kms_key: Option<&str>) -> Self {
        let stage = Stage::with_users(&[]).await;
        watch(&stage).await;
        stage.sandbox.visit(|world| world.create_bucket(ACCOUNT, REGION, BUCKET).unwrap()).await;
        let mut member = Self { stage, enrolment };
        member.enrolment.kms_key = kms_key.map(str::to_owned);
        member.deploy(ChangeSetType::Create).await;
        member
    }

    /// The template, as it stands for this enrolment.
    async fn template(&self) -> String {
        let artifact = installer::artifact::read(function(), Architecture::X86_64).unwrap();
        let s3 = aws_sdk_s3::config::Builder::from(&self.stage.config()).force_path_style(true).build();
        let s3 = aws_sdk_s3::Client::from_conf(s3);
        let code = CodeLocation { bucket: BUCKET.to_owned(), key: artifact.object_key() };
        s3.put_object().bucket(BUCKET).key(&code.key).body(artifact.bytes.into()).send().await.unwrap();
        let mut config = Config::for_users(REGION.parse().unwrap(), Vec::new()).unwrap();
        config.kms_key = self.enrolment.kms_key.clone();
        template::member(&config, &self.enrolment, &code).unwrap().to_text()
    }

    async fn deploy(&self, kind: ChangeSetType) {
        let client = aws_sdk_cloudformation::Client::new(&self.stage.config());
        let made = client
            .create_change_set()
            .stack_name(STACK)
            .change_set_name("changes")
            .change_set_type(kind)
            .capabilities(Capability::CapabilityIam)
            .template_body(self.template().await);
        let made = made.send().await.unwrap();
        client.execute_change_set().stack_name(STACK).change_set_name("changes").send().await.unwrap();
        self.stage.sandbox.settle().await;
        client.delete_change_set().change_set_name(made.id.unwrap()).send().await.unwrap();
        let stack = client.describe_stacks().stack_name(STACK).send().await.unwrap().stacks.unwrap().remove(0);
        let status = stack.stack_status.unwrap();
        assert!(status.as_str().ends_with("_COMPLETE") && !status.as_str().contains("ROLLBACK"), "{status}");
    }

    /// Makes a user with these tags.
    async fn user(&self, name: &str, path: &'static str, tags: &'static [(&str, &str)]) {
        let name = name.to_owned();
        let make = move |world: &mut World| {
            world.create_user(ACCOUNT, &name, path).unwrap();
            tags.iter().for_each(|(key, value)| world.tag_user(ACCOUNT, &name, key, value).unwrap());
        };
        self.stage.sandbox.visit(make).await;
    }

    async fn tag(&self, user: &str, key: &'static str, value: &'static str) {
        let user = user.to_owned();
        self.stage.sandbox.visit(move |world| world.tag_user(ACCOUNT, &user, key, value).unwrap()).await;
    }

    /// A pass, and everything that comes of it. Gives the kind of error, if it was one, and the answer.
    async fn pass(&self) -> (Option<String>, Value) {
        let answer = self.stage.invoke(br#"{"enrol":"all"}"#).await;
        self.stage.sandbox.settle().await;
        answer
    }

    /// A pass of which nothing fails.
    async fn pass_in_order(&self) -> Value {
        let (failure, answer) = self.pass().await;
        assert_eq!(failure, None, "{answer}{}", self.stage.function_log().await);
        answer
    }

    async fn standing(&self, user: &str) -> String {
        let user = user.to_owned();
        self.stage.sandbox.visit(move |world| standing(world, &user)).await
    }

    async fn key(&self, user: &str) -> Option<String> {
        let user = user.to_owned();
        self.stage.sandbox.visit(move |world| working_key(world, &user)).await
    }

    async fn assert_nothing_was_broken(&self) {
        assert_eq!(self.stage.sandbox.visit(|world| world.findings().first().cloned()).await, None);
        self.stage.assert_no_secret_left_behind().await;
    }
}

/// The key that applications read, if it works.
fn working_key(world: &World, user: &str) -> Option<String> {
    let key = key_in(&world.secret(ACCOUNT, REGION, &format!("keyturn/{user}"))?, "AWSCURRENT")?;
    let works = |known: &sandbox::AccessKey| known.id() == key && known.status == KeyStatus::Active;
    world.access_keys(ACCOUNT, user).iter().any(works).then_some(key)
}

/// How a user stands, in words.
fn standing(world: &World, user: &str) -> String {
    let Some(secret) = world.secret(ACCOUNT, REGION, &format!("keyturn/{user}")) else { return "nothing".to_owned() };
    let rotation = if secret.rotation_enabled { "on" } else { "off" };
    let left = if secret.tags.contains_key("keyturn:left") { ", left" } else { "" };
    let pending = secret.labelled("AWSPENDING").filter(|pending| !pending.labels.contains("AWSCURRENT"));
    let pending = if pending.is_some() { ", under way" } else { "" };
    let key = if working_key(world, user).is_some() { "" } else { ", no key" };
    format!("{rotation}{left}{pending}{key}")
}

#[tokio::test]
async fn who_is_meant_is_enrolled_and_rotated_by_the_schedule_and_nobody_else() {
    let member = Member::deployed(enrolment(), None).await;
    member.stage.sandbox.visit(|world| world.pause_rules(false)).await;
    let rotate = &[("Rotate", "yes")];
    member.user("ci", "/service/", rotate).await;
    member.user("ci-abcdef", "/service/mail/", rotate).await;
    member.user("odd", "/service/", &[("rotate", "Yes")]).await;
    member.user("none", "/service/", &[]).await;
    member.user("fire", "/service/", &[("rotate", "yes"), ("KEYTURN", "Never")]).await;
    member.user("jane", "/people/", rotate).await;
    member.stage.sandbox.advance(HOUR + HOUR / 2).await;
    let secrets = |world: &mut World| world.secrets(ACCOUNT, REGION).into_iter().map(|secret| secret.name).collect();
    let names: BTreeSet<String> = member.stage.sandbox.visit(secrets).await;
    let expected = ["keyturn/ci", "keyturn/ci-abcdef/user"].map(str::to_owned);
    assert_eq!(names, expected.into(), "{}", member.stage.function_log().await);
    assert_eq!(member.standing("ci").await, "on");
    let secret = member.stage.sandbox.visit(|world| world.secret(ACCOUNT, REGION, "keyturn/ci-abcdef/user")).await;
    let secret = secret.unwrap();
    assert_eq!((&*secret.tags["keyturn:user"], &*secret.tags["keyturn:stack"]), ("ci-abcdef", "keyturn"));
    assert!(key_in(&secret, "AWSCURRENT").is_some());

    // Somebody comes later, and time passes.
    member.user("late", "/service/", rotate).await;
    let before = member.key("ci").await;
    member.stage.sandbox.advance(2 * HOUR).await;
    assert_eq!((member.standing("late").await, member.key("ci").await), ("on".to_owned(), before.clone()));
    member.stage.sandbox.advance(31 * DAY).await;
    assert_ne!(member.key("ci").await, before);
    let answer = member.pass_in_order().await;
    let expected = json!({
        "enrolled": 3, "joined": 0, "returned": 0, "departed": 0, "blocked": {}, "failed": 0, "left": 0,
    });
    assert_eq!(answer, expected);
    member.assert_nothing_was_broken().await;
}

#[tokio::test]
async fn who_is_not_meant_any_more_leaves_with_key_and_secret_and_may_come_back() {
    let member = Member::deployed(enrolment(), None).await;
    for user in ["untagged", "exempted", "gone"] {
        member.user(user, "/service/", &[("rotate", "yes")]).await;
    }
    member.pass_in_order().await;
    let (untagged, exempted) = (member.key("untagged").await, member.key("exempted").await);
    member.tag("untagged", "rotate", "no").await;
    member.tag("exempted", "keyturn", "never").await;
    let delete = |world: &mut World| {
        for key in world.access_keys(ACCOUNT, "gone") {
            world.set_access_key_status(key.id(), KeyStatus::Inactive).unwrap();
            world.delete_access_key(key.id()).unwrap();
        }
        world.delete_user(ACCOUNT, "gone").unwrap();
    };
    // What a person does to a current key is no finding of ours.
    member.stage.sandbox.visit(|world| world.observe(|_, _| Vec::new())).await;
    member.stage.sandbox.visit(delete).await;
    assert_eq!(member.pass_in_order().await["departed"], 3);
    for user in ["untagged", "exempted"] {
        assert_eq!(member.standing(user).await, "off, left", "{user}");
    }
    assert_eq!(member.standing("gone").await, "off, left, no key");
    // They are left alone, and nobody has to look at them.
    member.stage.sandbox.advance(40 * DAY).await;
    let (failure, answer) = member.stage.invoke(br#"{"sweep":"all"}"#).await;
    assert_eq!((failure, &answer["swept"]), (None, &json!(0)), "{answer}");
    let (_, answer) = member.stage.invoke(br#"{"rotate":"all"}"#).await;
    assert_eq!(answer, json!({ "rotating": [], "failed": {} }));
    let (_, answer) = member.stage.invoke(br#"{"rotate":["exempted"]}"#).await;
    assert!(answer["failed"]["keyturn/exempted"].as_str().unwrap().contains("no longer"), "{answer}");
    assert_eq!(member.pass_in_order().await["departed"], 0);
    assert_eq!((member.key("untagged").await, member.key("exempted").await), (untagged.clone(), exempted.clone()));

    // One comes back; of the name of another there is somebody else now.
    member.tag("untagged", "rotate", "yes").await;
    member.user("gone", "/service/", &[("rotate", "yes")]).await;
    let answer = member.pass_in_order().await;
    assert_eq!((&answer["returned"], &answer["blocked"]), (&json!(1), &json!({ "user_replaced": 1 })));
    assert_eq!((member.standing("untagged").await, member.key("untagged").await), ("on".to_owned(), untagged.clone()));
    assert_eq!(member.standing("gone").await, "off, left, no key");
    member.stage.sandbox.advance(31 * DAY).await;
    assert_ne!(member.key("untagged").await, untagged);
    assert_eq!(member.key("exempted").await, exempted);
    member.stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_name_that_is_taken_and_a_persons_decision_are_told_and_left_alone() {
    let member = Member::deployed(enrolment(), None).await;
    let take = |world: &mut World| {
        let other =
            [("keyturn:stack", "keyturn-eu"), ("keyturn:user", "others"), ("keyturn:user-id", "AIDAOTHER0000000000")];
        world.create_secret(ACCOUNT, REGION, "keyturn/others", r#"{"UserName":"others"}"#, &other).unwrap();
        world.create_secret(ACCOUNT, REGION, "keyturn/foreign", "hunter2", &[]).unwrap();
        world.create_secret(ACCOUNT, REGION, "keyturn/doomed", "hunter2", &[]).unwrap();
    };
    member.stage.sandbox.visit(take).await;
    member.stage.secrets().delete_secret().secret_id("keyturn/doomed").send().await.unwrap();
    for user in ["others", "foreign", "doomed", "ci", "cancelled"] {
        member.user(user, "/service/", &[("rotate", "yes")]).await;
    }
    assert_eq!(member.pass_in_order().await["joined"], 2);
    let before = member.stage.sandbox.visit(|world| world.secrets(ACCOUNT, REGION)).await;
    member.stage.secrets().cancel_rotate_secret().secret_id("keyturn/cancelled").send().await.unwrap();
    let answer = member.pass_in_order().await;
    let blocked = json!({ "name_taken": 2, "name_in_deletion": 1, "rotation_off": 1 });
    assert_eq!((&answer["enrolled"], &answer["blocked"]), (&json!(1), &blocked));
    assert_eq!(member.standing("cancelled").await, "off");
    let after = member.stage.sandbox.visit(|world| world.secrets(ACCOUNT, REGION)).await;
    let of = |secrets: &[sandbox::SecretView], name: &str| secrets.iter().find(|secret| secret.name == name).cloned();
    for name in ["keyturn/others", "keyturn/foreign", "keyturn/doomed"] {
        assert_eq!(of(&before, name), of(&after, name), "{name}");
    }
    for user in ["others", "foreign", "doomed"] {
        let user = user.to_owned();
        let keys = member.stage.sandbox.visit(move |world| world.access_keys(ACCOUNT, &user).len()).await;
        assert_eq!(keys, 0);
    }
    assert!(member.stage.function_log().await.contains("none of this stack's"));
    member.assert_nothing_was_broken().await;
}

#[tokio::test]
async fn another_schedule_reaches_those_who_are_enrolled_and_rotates_nobody() {
    let mut member = Member::deployed(enrolment(), None).await;
    member.user("ci", "/service/", &[("rotate", "yes")]).await;
    member.pass_in_order().await;
    let key = member.key("ci").await;
    member.enrolment.schedule = "rate(60 days)".to_owned();
    member.deploy(ChangeSetType::Update).await;
    for _ in 0..2 {
        member.pass_in_order().await;
        let next = |world: &mut World| {
            let next = world.secret(ACCOUNT, REGION, "keyturn/ci").unwrap().next_rotation.unwrap();
            next.duration_since(world.now()).as_hours() / 24
        };
        assert_eq!(member.stage.sandbox.visit(next).await, 59);
    }
    assert_eq!((member.standing("ci").await, member.key("ci").await), ("on".to_owned(), key));
    let rotations =
        |world: &mut World| world.calls().iter().filter(|call| call.operation == "secretsmanager:RotateSecret").count();
    assert_eq!(member.stage.sandbox.visit(rotations).await, 2, "the schedule is given once");
    member.assert_nothing_was_broken().await;
}

/// A rotation of somebody who leaves may come to its end. When it does not, it is given up.
#[tokio::test]
async fn who_leaves_during_a_rotation_is_let_go_when_it_is_over_or_after_a_day() {
    let member = Member::deployed(enrolment(), None).await;
    member.user("ci", "/service/", &[("rotate", "yes")]).await;
    member.pass_in_order().await;
    let key = member.key("ci").await;
    let refuse = |world: &mut World| {
        world.sabotage(|_, upcoming| {
            let refusal = || ApiError::new("ServiceFailure", "as ordered");
            (upcoming.operation == "iam:CreateAccessKey").then(|| FaultEffect::FailBefore(refusal()))
        });
    };
    member.stage.sandbox.visit(refuse).await;
    member.stage.rotate_secret("ci").await;
    member.stage.sandbox.settle().await;
    member.tag("ci", "rotate", "no").await;
    for _ in 0..2 {
        member.pass_in_order().await;
        assert_eq!(member.standing("ci").await, "on, left, under way");
    }
    // The permission on the keys went with the tag. That is no failure of the sweeper's.
    let (failure, answer) = member.stage.invoke(br#"{"sweep":"all"}"#).await;
    assert_eq!((failure, &answer["swept"]), (None, &json!(0)), "{answer}");
    // Back before it was over, and away again.
    member.tag("ci", "rotate", "yes").await;
    member.pass_in_order().await;
    assert_eq!(member.standing("ci").await, "on, under way");
    member.tag("ci", "rotate", "no").await;
    member.pass_in_order().await;
    member.stage.sandbox.advance(DAY + ALL_RETRIES).await;
    assert_eq!(member.pass_in_order().await["departed"], 1);
    assert_eq!((member.standing("ci").await, member.key("ci").await), ("off, left".to_owned(), key.clone()));
    member.stage.sandbox.visit(|world| world.sabotage(|_, _| None)).await;
    member.tag("ci", "rotate", "yes").await;
    member.pass_in_order().await;
    assert_eq!((member.standing("ci").await, member.key("ci").await), ("on".to_owned(), key.clone()));
    member.stage.rotate_secret("ci").await;
    member.stage.sandbox.settle().await;
    assert_ne!(member.key("ci").await, key);
    member.assert_nothing_was_broken().await;
}

/// A page of the listing that cannot be read, and the tags of one user.
#[tokio::test]
async fn what_iam_does_not_tell_drops_nobody_and_enrols_nobody() {
    let mut told = enrolment();
    told.exempt.path = Some("/service/many/".to_owned());
    let member = Member::deployed(told, None).await;
    for user in ["aa", "zz"] {
        member.user(user, "/service/", &[("rotate", "yes")]).await;
    }
    member.pass_in_order().await;
    // So that aa is on the first page, and zz on the second.
    let many = |world: &mut World| {
        for number in 0..1000 {
            world.create_user(ACCOUNT, &format!("many-{number:03}"), "/service/many/").unwrap();
        }
    };
    member.stage.sandbox.visit(many).await;
    assert_eq!(member.pass_in_order().await["enrolled"], 2);
    for user in ["ab", "zx"] {
        member.user(user, "/service/", &[("rotate", "yes")]).await;
    }
    member.fail("iam:ListUsers", 1).await;
    let (failure, answer) = member.pass().await;
    assert!(failure.is_some() && answer["errorMessage"].as_str().unwrap().contains("iam:ListUsers"), "{answer}");
    let mut standings = BTreeMap::new();
    for user in ["aa", "ab", "zx", "zz"] {
        standings.insert(user, member.standing(user).await);
    }
    let expected = [("aa", "on"), ("ab", "on"), ("zx", "nothing"), ("zz", "on")];
    assert_eq!(standings, expected.map(|(user, standing)| (user, standing.to_owned())).into());

    // Their tags decide, and those of one cannot be read: of aa, then of zx, in the order of the names.
    for after in [0, 2] {
        member.fail("iam:ListUserTags", after).await;
        let (failure, answer) = member.pass().await;
        assert_eq!(failure.as_deref(), Some("Unhandled"), "{answer}");
        assert!(answer["errorMessage"].as_str().unwrap().starts_with("1 users could not be judged"), "{answer}");
        assert_eq!(member.standing("aa").await, "on");
    }
    member.pass_in_order().await;
    assert_eq!(member.standing("zx").await, "on");
    member.assert_nothing_was_broken().await;
}

impl Member {
    /// Has a call of the function fail, and so many before it pass.
    async fn fail(&self, operation: &str, after: usize) {
        let effect = FaultEffect::FailBefore(ApiError::new("SimulatedRefusal", "as ordered"));
        let principal = Some("assumed-role/".to_owned());
        let fault = Fault { operation: Some(operation.to_owned()), principal, after, effect };
        self.stage.sandbox.visit(|world| world.inject(fault)).await;
    }
}

/// Somebody makes the secret of a user who is exempt, before or after the function would.
#[tokio::test]
async fn who_is_exempt_gets_no_key_whatever_secret_there_is() {
    let member = Member::deployed(enrolment(), None).await;
    let exempt = &[("rotate", "yes"), ("keyturn", "never")];
    member.user("fire", "/service/", exempt).await;
    let iam = aws_sdk_iam::Client::new(&member.stage.config());
    let id = iam.get_user().user_name("fire").send().await.unwrap().user.unwrap().user_id;
    let forge = move |world: &mut World| {
        for name in ["keyturn/fire", "keyturn/other"] {
            let tags = [("keyturn:stack", "keyturn"), ("keyturn:user", "fire"), ("keyturn:user-id", id.as_str())];
            world.create_secret(ACCOUNT, REGION, name, r#"{"UserName":"fire"}"#, &tags).unwrap();
        }
    };
    member.stage.sandbox.visit(forge).await;
    let function = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:keyturn");
    let rules = aws_sdk_secretsmanager::types::RotationRulesType::builder().automatically_after_days(1).build();
    for name in ["keyturn/fire", "keyturn/other"] {
        let rotate = member.stage.secrets().rotate_secret().secret_id(name).rotation_lambda_arn(&function);
        rotate.rotation_rules(rules.clone()).send().await.unwrap();
    }
    member.stage.sandbox.settle().await;
    let (_, answer) = member.stage.invoke(br#"{"sweep":"all"}"#).await;
    assert_eq!(answer["blocked"], json!({ "left": 1, "other_secret": 1 }), "{answer}");
    let blocked = |world: &mut World| {
        ["fire", "other"].map(|name| {
            world.secret(ACCOUNT, REGION, &format!("keyturn/{name}")).unwrap().tags["keyturn:blocked"].clone()
        })
    };
    assert_eq!(member.stage.sandbox.visit(blocked).await, ["left", "other_secret"]);
    assert_eq!(member.stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "fire")).await, []);

    // The enroller ends what has the right name. Of the other one the sweeper goes on telling.
    member.stage.sandbox.advance(ALL_RETRIES + DAY).await;
    member.pass_in_order().await;
    member.stage.sandbox.advance(DAY + HOUR).await;
    member.pass_in_order().await;
    assert_eq!(member.standing("fire").await, "off, left, no key");
    let (_, answer) = member.stage.invoke(br#"{"sweep":"all"}"#).await;
    assert_eq!(answer["blocked"], json!({ "other_secret": 1 }), "{answer}");
    assert_eq!(member.stage.sandbox.visit(|world| world.access_keys(ACCOUNT, "fire")).await, []);
    member.assert_nothing_was_broken().await;
}
