//! Accounts as they are found, and what is decided for them.

use std::collections::BTreeMap;

use contract::{AccessKeyId, AccountId, Region, SecretArn, UserId, UserName, VersionToken, tag_keys};
use jiff::Timestamp;

use super::*;
use crate::aws::secrets::Secret;
use crate::aws::stacks::{Stack, Status};
use crate::aws::users::{AccessKey, KeyOwner, KeyStatus, LastUse};
use crate::config::FunctionConfig;
use crate::names::SecretName;
use crate::observe::{Elsewhere, ObservedStack, ObservedUser, Running};
use crate::template::BoundUser;

mod drift;
mod users;

const CODE: &str = "keyturn/0000.zip";

/// Day 0 is 2026-01-01.
fn day(day: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + day * 86_400).unwrap()
}

pub(super) fn config(users: &[&str]) -> Config {
    let users = users.iter().map(|user| UserName::new(*user).unwrap()).collect();
    let config = Config::for_users(Region::new("eu-central-1").unwrap(), users).unwrap();
    Config { users_are_arguments: false, ..config }
}

/// An account on day 400 in which keyturn has never been, and whose users have no keys.
pub(super) fn untouched(config: &Config) -> Observed {
    let caller = Caller {
        account: AccountId::new("111122223333").unwrap(),
        partition: "aws".to_owned(),
        arn: "arn:aws:iam::111122223333:user/administrator".to_owned(),
    };
    let users = config.users.iter().map(|user| found(&user.name)).collect();
    Observed { caller, now: day(400), artifacts: None, cells: BTreeMap::new(), users, has_code: false }
}

fn found(name: &UserName) -> ObservedUser {
    let id =
        UserId::new(format!("AIDA{:0>16}", name.as_str().replace(|c: char| !c.is_ascii_alphanumeric(), "0"))).unwrap();
    let arn = format!("arn:aws:iam::111122223333:user/{name}");
    ObservedUser {
        name: name.clone(),
        secret_name: SecretName::of_user(name),
        bound: Some(BoundUser { name: name.clone(), id, arn }),
        keys: Vec::new(),
        last_uses: BTreeMap::new(),
        secret: None,
        contents: None,
        key_owner: None,
        other_stack: None,
        rotated_by: None,
    }
}

fn key(number: u8, status: KeyStatus, created: i64) -> AccessKey {
    AccessKey { id: AccessKeyId::new(format!("AKIA{number:0>16}")).unwrap(), status, created: day(created) }
}

/// The secret that keyturn makes for a user, with its first key.
fn secret_of(user: &ObservedUser) -> Secret {
    let bound = user.bound.as_ref().unwrap();
    let arn = format!("arn:aws:secretsmanager:eu-central-1:111122223333:secret:{}-AbCdEf", user.secret_name);
    let tags =
        [(tag_keys::USER, bound.name.as_str()), (tag_keys::USER_ID, bound.id.as_str()), (tag_keys::STACK, "keyturn")];
    Secret {
        arn: SecretArn::new(arn).unwrap(),
        name: user.secret_name.to_string(),
        tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        created: Some(day(400)),
        deleted: None,
        last_rotated: Some(day(400)),
        next_rotation: Some(day(430)),
        stages: BTreeMap::new(),
        rotator: None,
        replicas: Vec::new(),
        kms_key: None,
    }
}

fn stack(status: Status, template: Option<String>, tags: BTreeMap<String, String>) -> ObservedStack {
    let id = "arn:aws:cloudformation:eu-central-1:111122223333:stack/keyturn/1".to_owned();
    let stack = Stack { id, status, tags, protected: false, changed: None, express: false };
    ObservedStack { stack, template, resources: Vec::new(), drift: None, running: None }
}

pub(super) fn decide(config: &Config, observed: &Observed) -> Result<Plan, PlanError> {
    plan(&Desired { config, code: CODE, express: false }, observed)
}

/// The account after its plan has been executed.
pub(super) fn bootstrapped(config: &Config) -> Observed {
    let mut observed = untouched(config);
    for step in decide(config, &observed).unwrap().steps {
        match step {
            Step::DeployArtifacts(it) => {
                observed.artifacts = Some(stack(Status::CreateComplete, Some(it.template), it.tags))
            }
            Step::DeployCell(it) => {
                drop(observed.cells.insert(1, stack(Status::CreateComplete, Some(it.template), it.tags)))
            }
            Step::UploadCode { .. } => observed.has_code = true,
            Step::DeleteCell { stack, .. } => observed.cells.retain(|number, _| config.stack.cell(*number) != *stack),
            Step::RestoreCode { .. }
            | Step::Adopt { .. }
            | Step::ClearPending { .. }
            | Step::GiveUp { .. }
            | Step::RotateFirst { .. } => {}
        }
    }
    for user in &mut observed.users {
        user.secret = Some(secret_of(user));
        user.keys.push(key(9, KeyStatus::Active, 400));
    }
    observed
}

fn only_deployment(plan: &Plan) -> &Deployment {
    match plan.steps.as_slice() {
        [Step::DeployCell(deployment)] => deployment,
        other => panic!("more or less than one deployment: {other:?}"),
    }
}

#[test]
fn a_first_run_makes_everything() {
    let config = config(&["alice", "ci-deploy"]);
    let mut observed = untouched(&config);
    observed.users[1].keys.push(key(1, KeyStatus::Active, 0));
    insta::assert_snapshot!(decide(&config, &observed).unwrap());
}

#[test]
fn machines_get_the_same_plan() {
    let config = config(&["alice"]);
    let plan = serde_json::to_string_pretty(&decide(&config, &untouched(&config)).unwrap()).unwrap();
    insta::with_settings!({ filters => [("[0-9a-f]{64}", "<hash>")] }, { insta::assert_snapshot!(plan) });
}

#[test]
fn a_second_run_has_nothing_to_do() {
    let config = config(&["alice", "bob"]);
    let plan = decide(&config, &bootstrapped(&config)).unwrap();
    assert_eq!(plan.steps, []);
    insta::assert_snapshot!(plan);
}

#[test]
fn a_run_that_was_interrupted_goes_on_from_there() {
    let config = config(&["alice", "bob"]);
    let mut observed = bootstrapped(&config);
    observed.users[1].secret.as_mut().unwrap().last_rotated = None;
    let steps = decide(&config, &observed).unwrap().steps;
    let [Step::RotateFirst { users, .. }] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!(users.keys().map(UserName::as_str).collect::<Vec<_>>(), ["bob"]);
}

#[test]
fn first_rotations_wait_for_a_function_that_nobody_has_waited_for() {
    let config = config(&["alice", "bob"]);
    let mut observed = bootstrapped(&config);
    observed.users[1].secret.as_mut().unwrap().last_rotated = None;
    let awaits = |observed: &Observed| {
        let Some(Step::RotateFirst { awaits, .. }) = decide(&config, observed).unwrap().steps.pop() else { panic!() };
        awaits
    };
    assert_eq!(awaits(&observed), Vec::<String>::new());
    observed.cells.values_mut().for_each(|cell| cell.stack.express = true);
    assert_eq!(awaits(&observed), ["keyturn"]);
}

#[test]
fn a_change_is_told_property_by_property() {
    let before = config(&["alice"]);
    let mut after = before.clone();
    after.function.memory_mib = 256;
    insta::assert_snapshot!(decide(&after, &bootstrapped(&before)).unwrap());
}

#[test]
fn users_come_and_go() {
    let (before, after) = (config(&["alice", "bob"]), config(&["alice", "carol"]));
    let mut observed = bootstrapped(&before);
    observed.users[1] = found(&after.users[1].name);
    insta::assert_snapshot!(decide(&after, &observed).unwrap());
}

#[test]
fn new_code_is_uploaded_and_deployed() {
    let config = config(&["alice"]);
    let observed = Observed { has_code: false, ..bootstrapped(&config) };
    let plan = plan(&Desired { config: &config, code: "keyturn/1111.zip", express: false }, &observed).unwrap();
    insta::assert_snapshot!(plan);
}

#[test]
fn other_tags_alone_are_a_change() {
    let before = config(&["alice"]);
    let mut after = before.clone();
    after.tags.insert("team".to_owned(), "platform".to_owned());
    let plan = decide(&after, &bootstrapped(&before)).unwrap();
    let reasons = plan.steps.iter().map(|step| match step {
        Step::DeployArtifacts(deployment) | Step::DeployCell(deployment) => deployment.reason.as_str(),
        other => panic!("{other:?}"),
    });
    assert_eq!(reasons.collect::<Vec<_>>(), ["its tags differ"; 2]);
}

#[test]
fn a_stack_that_somebody_else_has_changed_is_brought_back() {
    let config = config(&["alice"]);
    let mut observed = bootstrapped(&config);
    let template = observed.cells.get_mut(&1).unwrap().template.as_mut().unwrap();
    *template = template.replace("/aws/lambda/", "/somewhere/else/");
    let plan = decide(&config, &observed).unwrap();
    assert_eq!(only_deployment(&plan).reason, "its template differs");
}

#[test]
fn a_secret_that_was_kept_joins_the_stack_again() {
    let config = config(&["alice"]);
    let mut observed = bootstrapped(&config);
    observed.cells.clear();
    let plan = decide(&config, &observed).unwrap();
    let deployment = only_deployment(&plan);
    let joining = deployment.joins.as_ref().unwrap();
    let secret = &observed.users[0].secret.as_ref().unwrap().arn;
    assert_eq!(joining.resources.values().collect::<Vec<_>>(), [secret]);
    insta::assert_snapshot!(joining.template);
    let imported = deployment.changes.iter().filter(|change| change.change == Verb::Import);
    let names: Vec<_> = imported.map(|change| change.name.as_deref()).collect();
    assert_eq!(names, [Some("keyturn/alice")]);
    let [found] = plan.users.as_slice() else { panic!("{:?}", plan.users) };
    assert_eq!(found.to_string(), "alice: its secret `keyturn/alice` is here already and joins the stack");
    assert_eq!(found.kind, Kind::JoiningSecret);
}

#[test]
fn a_rotation_that_never_ended_is_cleared_before_its_secret_joins_the_stack() {
    let config = config(&["alice"]);
    let version = |text: &str| VersionToken::new(text.repeat(32)).unwrap();
    let mut observed = bootstrapped(&config);
    let secret = observed.users[0].secret.as_mut().unwrap();
    secret.stages = BTreeMap::from([("AWSCURRENT".to_owned(), version("c")), ("AWSPENDING".to_owned(), version("p"))]);
    let arn = secret.arn.clone();
    assert_eq!(decide(&config, &observed).unwrap().steps, [], "in its stack, it is retried");
    observed.cells.clear();
    let steps = decide(&config, &observed).unwrap().steps;
    let [Step::ClearPending { versions, .. }, Step::DeployCell(_)] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!(*versions, BTreeMap::from([(arn, version("p"))]));
    observed.users[0].secret.as_mut().unwrap().stages.insert("AWSPENDING".to_owned(), version("c"));
    assert_eq!(decide(&config, &observed).unwrap().steps.len(), 1, "it came to its end");
}

#[test]
fn two_keys_are_no_obstacle_once_keyturn_manages_them() {
    let config = config(&["alice"]);
    let mut observed = bootstrapped(&config);
    observed.users[0].keys.insert(0, key(1, KeyStatus::Active, 370));
    assert_eq!(decide(&config, &observed).unwrap().steps, []);
}

#[test]
fn a_stack_that_holds_nothing_is_made_anew() {
    let config = config(&["alice"]);
    for status in [Status::ReviewInProgress, Status::RollbackComplete] {
        let mut observed = bootstrapped(&config);
        observed.cells.insert(1, stack(status, None, BTreeMap::new()));
        let plan = decide(&config, &observed).unwrap();
        let expected = Action::CreateAnew { id: observed.cells[&1].stack.id.clone(), status };
        assert_eq!(only_deployment(&plan).action, expected);
    }
}

#[test]
fn a_broken_cell_is_refused_although_its_users_would_fit_elsewhere() {
    let config = config(&["alice"]);
    let mut observed = bootstrapped(&config);
    observed.cells.insert(2, stack(Status::UpdateRollbackFailed, None, BTreeMap::new()));
    let Err(PlanError::Refused(refusals)) = decide(&config, &observed) else { panic!("a plan in spite of it") };
    assert_eq!(refusals.failed_rollbacks(), Some(vec!["keyturn-2"]));
}

#[test]
fn an_own_bucket_needs_no_stack() {
    let config = Config { artifact_bucket: Some("mine".to_owned()), ..config(&["alice"]) };
    let plan = decide(&config, &untouched(&config)).unwrap();
    assert_eq!(plan.bucket, "mine");
    assert!(matches!(plan.steps.as_slice(), [Step::UploadCode { .. }, Step::DeployCell(_), Step::RotateFirst { .. }]));
}

#[test]
fn code_that_was_exchanged_is_put_back_unless_an_update_does_that() {
    let config = config(&["alice"]);
    let with = |running| {
        let mut observed = bootstrapped(&config);
        observed.cells.get_mut(&1).unwrap().running = Some(running);
        observed
    };
    // What CODE is named after.
    assert_eq!(decide(&config, &with(Running::Code("AAA=".to_owned()))).unwrap().steps, []);
    let exchanged = with(Running::Code("AAE=".to_owned()));
    let plan = decide(&config, &exchanged).unwrap();
    let [Step::RestoreCode { stack, key, .. }] = plan.steps.as_slice() else { panic!("{plan:?}") };
    assert_eq!((stack.as_str(), key.as_str()), ("keyturn", CODE));
    let newer = Desired { config: &config, code: "keyturn/0001.zip", express: false };
    let plan = super::plan(&newer, &exchanged).unwrap();
    assert!(matches!(plan.steps.as_slice(), [Step::DeployCell(_)]));
    assert!(plan.remarks.iter().any(|remark| remark.contains("CloudTrail")), "it is told all the same: {plan:?}");
    // First the code: whoever deploys invokes the function.
    let larger = Config { function: FunctionConfig { memory_mib: 512, ..config.function.clone() }, ..config.clone() };
    let steps = decide(&larger, &exchanged).unwrap().steps;
    assert!(matches!(steps.as_slice(), [Step::RestoreCode { .. }, Step::DeployCell(_)]), "{steps:?}");
    let plan = decide(&config, &with(Running::Nothing)).unwrap();
    assert!(plan.steps.is_empty() && plan.remarks.iter().any(|remark| remark.contains("--drift")), "{plan:?}");
}

#[test]
fn a_template_that_is_too_long_for_a_request_goes_through_the_bucket() {
    let names: Vec<String> = (0..100).map(|number| format!("user-{number}")).collect();
    let config = config(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let plan = decide(&config, &untouched(&config)).unwrap();
    let keys = plan.steps.iter().filter_map(|step| match step {
        Step::DeployArtifacts(deployment) | Step::DeployCell(deployment) => Some(deployment.template_key.is_some()),
        _ => None,
    });
    assert_eq!(keys.collect::<Vec<_>>(), [false, true]);
}

#[test]
fn everything_that_stands_in_the_way_is_told_at_once() {
    let config = config(&["alice", "bob", "carol", "dave", "eve", "mallory"]);
    let mut observed = untouched(&config);
    let users = &mut observed.users;
    users[0].bound = None;
    users[1].keys = vec![key(1, KeyStatus::Active, 0), key(2, KeyStatus::Inactive, 399)];
    let last_use = LastUse { at: day(398), service: "s3".to_owned(), region: "eu-central-1".to_owned() };
    let used = users[1].keys[0].id.clone();
    users[1].last_uses.insert(used, last_use);
    for user in &mut users[2..] {
        user.secret = Some(secret_of(user));
    }
    users[2].secret.as_mut().unwrap().deleted = Some(day(420));
    users[3].secret.as_mut().unwrap().tags.clear();
    let of_another = |user: &mut ObservedUser, key: &str, value: &str| {
        user.secret.as_mut().unwrap().tags.insert(key.to_owned(), value.to_owned());
    };
    of_another(&mut users[4], tag_keys::USER, "adam");
    of_another(&mut users[5], tag_keys::USER_ID, "AIDAOFANOTHERLIFE001");
    observed.cells.insert(1, stack(Status::UpdateRollbackFailed, None, BTreeMap::new()));
    let Err(PlanError::Refused(refusals)) = decide(&config, &observed) else { panic!("a plan in spite of it all") };
    insta::assert_snapshot!(format!("{refusals}\n\n{}", refusals.hint()));
}
