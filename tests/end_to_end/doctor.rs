//! `keyturn doctor`: what it finds in an account, and that its table of permissions is what keyturn needs.

use std::collections::BTreeSet;
use std::time::Duration;

use installer::permissions::{PERMISSIONS, SIX, Scope, TWELVE, UUID, When};
use sandbox::{Credentials, World};
use serde_json::{Value, json};

use crate::bootstrap::{configure, deployed};
use crate::drift::exchange_code;
use crate::stage::{ACCOUNT, REGION, Run, Stage, function};

const NOTHING: [&str; 0] = [];
const DAY: Duration = Duration::from_hours(24);

async fn doctor(stage: &Stage, arguments: &[&str]) -> Run {
    stage.keyturn(&[&["doctor", "--artifact", function().to_str().unwrap()], arguments].concat()).await
}

async fn doctor_as(stage: &Stage, key: &Credentials, arguments: &[&str]) -> Run {
    let fixed = ["doctor", "--artifact", function().to_str().unwrap()];
    let mut environment =
        vec![("AWS_ACCESS_KEY_ID", key.access_key_id.as_str()), ("AWS_SECRET_ACCESS_KEY", &key.secret_access_key)];
    environment.extend(key.session_token.as_deref().map(|token| ("AWS_SESSION_TOKEN", token)));
    stage.keyturn_with(&environment, &[&fixed, arguments].concat()).await
}

/// As everywhere, and without the place of the function that was built.
fn settings() -> insta::Settings {
    let mut settings = crate::stage::settings();
    settings.add_filter(&regex_of(function().to_str().unwrap()), "[function]");
    settings
}

/// A regular expression for just this text.
fn regex_of(text: &str) -> String {
    let escaped = |c: char| if c.is_ascii_alphanumeric() || c == '/' { c.to_string() } else { format!("\\{c}") };
    text.chars().map(escaped).collect()
}

/// A user with this policy.
async fn operator(stage: &Stage, statements: Value) -> Credentials {
    let policy = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    let create = move |world: &mut World| {
        world.create_user(ACCOUNT, "operator", "/").unwrap();
        world.put_user_policy(ACCOUNT, "operator", "operate", &policy).unwrap();
        world.clear_calls();
        world.create_access_key(ACCOUNT, "operator").unwrap()
    };
    stage.sandbox.visit(create).await
}

/// The findings with a state other than `ok`, and the actions that are denied.
fn findings(run: &Run) -> (Vec<String>, BTreeSet<String>) {
    let document: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"));
    let findings = document["findings"].as_array().unwrap();
    let bad = findings.iter().filter(|finding| finding["state"] != "ok");
    let bad = bad.map(|finding| {
        assert!(finding["to_do"].is_string(), "{finding}");
        format!("{} {}", finding["check"].as_str().unwrap(), finding["state"].as_str().unwrap())
    });
    let denied = findings.iter().flat_map(|finding| finding["denied"].as_array().into_iter().flatten());
    (bad.collect(), denied.map(|denied| denied["action"].as_str().unwrap().to_owned()).collect())
}

#[tokio::test]
async fn an_administrator_of_a_clean_account_is_told_that_nothing_is_in_the_way() {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    configure(&stage, &["alice", "bob"], "");
    let run = doctor(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("clean", run));
    let run = doctor(&stage, &["--output", "json"]).await;
    settings().bind(|| insta::assert_snapshot!("clean_for_machines", run));
    assert_eq!(stage.take_writes().await, NOTHING);
    assert_eq!(stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn what_is_deployed_is_told_as_such() {
    let stage = deployed(&["alice"]).await;
    let run = doctor(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("deployed", run));
    // Later than any key that the rotation before may have left behind.
    stage.sandbox.advance(DAY).await;
    stage.sandbox.visit(|world| world.create_access_key(ACCOUNT, "alice").unwrap()).await;
    let run = doctor(&stage, &["--output", "json"]).await;
    assert_eq!((run.code, findings(&run).0), (0, vec!["user warning".to_owned()]), "{run}");
}

#[tokio::test]
async fn users_who_are_unknown_or_have_no_room_are_problems() {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    configure(&stage, &["alice", "bob", "nobody"], "");
    for _ in 0..2 {
        stage.sandbox.visit(|world| world.create_access_key(ACCOUNT, "bob").unwrap()).await;
    }
    let run = doctor(&stage, &[]).await;
    settings().bind(|| insta::assert_snapshot!("users", run));
    let run = doctor(&stage, &["--output", "json"]).await;
    assert_eq!((run.code, findings(&run).0), (1, vec!["quota problem".to_owned(), "user problem".to_owned()]), "{run}");
    assert_eq!(stage.take_writes().await, NOTHING);
}

/// An allowance for all actions of the table but these.
fn all_but(lacking: &[&str]) -> Value {
    let actions = PERMISSIONS.iter().map(|permission| permission.action).filter(|action| !lacking.contains(action));
    let actions: BTreeSet<&str> = actions.chain(["iam:SimulatePrincipalPolicy"]).collect();
    json!([{ "Effect": "Allow", "Action": actions, "Resource": "*" }])
}

#[tokio::test]
async fn exactly_the_permissions_that_lack_are_named() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "");
    let lacking = ["iam:PassRole", "lambda:AddPermission", "secretsmanager:CreateSecret"];
    let key = operator(&stage, all_but(&lacking)).await;
    let run = doctor_as(&stage, &key, &[]).await;
    settings().bind(|| insta::assert_snapshot!("lacking", run));
    let run = doctor_as(&stage, &key, &["--output", "json"]).await;
    assert_eq!(findings(&run).1, lacking.map(str::to_owned).into());
    assert_eq!(stage.take_writes().await, NOTHING);
    let statements = json!([
        { "Effect": "Allow", "Action": "*", "Resource": "*" },
        { "Effect": "Deny", "Action": "secretsmanager:*", "Resource": "arn:aws:secretsmanager:*:*:secret:keyturn/*" },
        { "Effect": "Deny", "Action": "iam:CreateRole", "Resource": "*",
          "Condition": { "StringEquals": { "aws:RequestTag/team": "other" } } },
    ]);
    let statements = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    let change = move |world: &mut World| world.put_user_policy(ACCOUNT, "operator", "operate", &statements).unwrap();
    stage.sandbox.visit(change).await;
    let run = doctor_as(&stage, &key, &["--output", "json"]).await;
    let always = PERMISSIONS.iter().filter(|permission| permission.when == When::Always);
    let secrets = always.map(|permission| permission.action.to_owned());
    let secrets = secrets.filter(|action| action.starts_with("secretsmanager:") && !action.ends_with(":ListSecrets"));
    // The secret cannot be looked at, and what may be done with it lacks, by its name and by its ARN.
    let expected = ["user problem", "permission problem", "permission problem"].map(str::to_owned);
    assert_eq!(findings(&run), (expected.to_vec(), secrets.collect()));
}

#[tokio::test]
async fn whoever_may_not_simulate_is_warned() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "");
    let statements = json!([
        { "Effect": "Allow", "Action": "*", "Resource": "*" },
        { "Effect": "Deny", "Action": "iam:SimulatePrincipalPolicy", "Resource": "*" },
    ]);
    let run = doctor_as(&stage, &operator(&stage, statements).await, &[]).await;
    settings().bind(|| insta::assert_snapshot!("without_simulation", run));
    assert_eq!(run.code, 0);
}

#[tokio::test]
async fn a_session_has_the_permissions_of_its_role() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "");
    let lacking = ["cloudformation:ExecuteChangeSet"];
    let policy = json!({ "Version": "2012-10-17", "Statement": all_but(&lacking) }).to_string();
    let role = stage.sandbox.visit(move |world| {
        let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}}"#;
        let arn = world.create_role(ACCOUNT, "operator", trust).unwrap();
        world.put_role_policy(ACCOUNT, "operator", "operate", &policy).unwrap();
        arn
    });
    let sts = aws_sdk_sts::Client::new(&stage.config());
    let session = sts.assume_role().role_arn(role.await).role_session_name("shift").send().await.unwrap();
    let session = session.credentials.unwrap();
    let key = Credentials {
        access_key_id: session.access_key_id,
        secret_access_key: session.secret_access_key,
        session_token: Some(session.session_token),
    };
    let run = doctor_as(&stage, &key, &["--output", "json"]).await;
    assert_eq!(findings(&run), (vec!["permission problem".to_owned()], lacking.map(str::to_owned).into()), "{run}");
}

#[tokio::test]
async fn what_is_missing_before_the_account_can_be_seen_is_told() {
    let stage = Stage::with_users(&["alice"]).await;
    let artifact = function().to_str().unwrap();
    let run = stage.keyturn(&["doctor"]).await;
    settings().bind(|| insta::assert_snapshot!("without_configuration", run));
    configure(&stage, &["alice"], "");
    let run = stage.keyturn_with(&[], &["doctor", "--artifact", artifact]).await;
    assert_eq!(run.code, 5, "{run}");
    settings().bind(|| insta::assert_snapshot!("without_credentials", run));
    // There is no cargo on this path.
    let (id, secret) = (stage.admin.access_key_id.as_str(), stage.admin.secret_access_key.as_str());
    let nowhere = stage.path("nowhere");
    let environment =
        [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret), ("PATH", nowhere.to_str().unwrap())];
    let run = stage.keyturn_with(&environment, &["doctor", "--output", "json"]).await;
    assert_eq!((run.code, findings(&run).0), (1, vec!["function problem".to_owned()]), "{run}");
    let wrong = stage.path("keyturn.yaml");
    let run = stage.keyturn(&["doctor", "--artifact", wrong.to_str().unwrap(), "--output", "json"]).await;
    assert_eq!((run.code, findings(&run).0), (1, vec!["function problem".to_owned()]), "{run}");
    configure(&stage, &["alice"], "retire: { deactivate_after: soon }\n");
    let run = stage.keyturn(&["doctor"]).await;
    settings().bind(|| insta::assert_snapshot!("with_a_wrong_configuration", run));
    assert_eq!(stage.take_writes().await, NOTHING);
}

/// Actions of the table that the sandbox never asks for: what AWS's handlers do on their way, and what is needed only
/// when something goes wrong.
pub(crate) const NEVER_ASKED: [&str; 32] = [
    "cloudformation:CancelUpdateStack",
    "cloudformation:ContinueUpdateRollback",
    "cloudformation:DeleteChangeSet",
    "cloudwatch:UntagResource",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeVpcs",
    "events:UntagResource",
    "iam:DeletePolicyVersion",
    "iam:DeleteRolePermissionsBoundary",
    "iam:ListPolicyVersions",
    "iam:PutRolePermissionsBoundary",
    "iam:UntagRole",
    "lambda:GetFunctionRecursionConfig",
    "lambda:UntagResource",
    "logs:GetDataProtectionPolicy",
    "logs:UntagResource",
    "s3:GetAccelerateConfiguration",
    "s3:GetAnalyticsConfiguration",
    "s3:GetBucketCORS",
    "s3:GetBucketLogging",
    "s3:GetBucketNotification",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketWebsite",
    "s3:GetIntelligentTieringConfiguration",
    "s3:GetInventoryConfiguration",
    "s3:GetMetricsConfiguration",
    "s3:GetReplicationConfiguration",
    "secretsmanager:UpdateSecretVersionStage",
    "sns:GetDataProtectionPolicy",
    "sns:ListSubscriptionsByTopic",
    "sns:UntagResource",
    "sts:GetAccessKeyInfo",
];

/// The permissions that the operator's calls have needed so far, and whether each was there.
async fn needed(stage: &Stage) -> Vec<sandbox::Check> {
    let look = |world: &mut World| {
        let calls = world.calls().iter().filter(|call| call.principal.ends_with("user/operator"));
        calls.flat_map(|call| call.checks.clone()).collect()
    };
    stage.sandbox.visit(look).await
}

/// A statement for each line of the table, on what the configuration makes of it.
fn just_the_table(stage: &Stage) -> Value {
    let config = installer::config::read(&stage.path("keyturn.yaml")).unwrap();
    let account = contract::AccountId::new(ACCOUNT).unwrap();
    let users: Vec<String> =
        config.users.iter().map(|user| format!("arn:aws:iam::{ACCOUNT}:user/{}", user.name)).collect();
    let secrets: Vec<_> = config.users.iter().map(|user| config.secret_name(&user.name)).collect();
    let bucket = installer::names::artifact_bucket(&account, &config.region);
    let (config, account) = (&config, &account);
    let scope = Scope { partition: "aws", account, config, bucket: &bucket, users: &users, secrets: &secrets };
    let pattern = |arn: String| arn.replace(SIX, "??????").replace(TWELVE, "*").replace(UUID, "*");
    let statements = PERMISSIONS.iter().filter(|permission| permission.when.holds(config)).map(|permission| {
        let resources: Vec<String> = scope.arns(permission.on).into_iter().map(pattern).collect();
        json!({ "Effect": "Allow", "Action": permission.action, "Resource": resources })
    });
    statements.collect()
}

/// Everything that a person does with keyturn, by somebody who may do just what the table says, with every part of the
/// configuration that needs more of it.
#[tokio::test]
async fn whoever_may_do_what_the_table_says_can_do_everything() {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    let everything = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let boundary = stage.sandbox.visit(|world| world.create_policy(ACCOUNT, "boundary", everything).unwrap()).await;
    let options = |memory: u32| {
        format!(
            "permissions_boundary: {boundary}\nkms_key: arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab\n\
             tags: {{ team: security }}\nreplicas: [eu-west-1]\nalerts: {{ email: [team@example.org], central: arn:aws:events:{REGION}:{ACCOUNT}:event-bus/all }}\nfunction: {{ memory: {memory}, vpc: {{ subnets: [subnet-0123456789abcdef0], security_groups: [sg-0123456789abcdef0] }} }}\n"
        )
    };
    configure(&stage, &["alice", "bob"], &options(256));
    let key = operator(&stage, just_the_table(&stage)).await;
    stage.sandbox.visit(World::note_needs).await;
    let run = async |arguments: &[&str]| {
        let run = stage.keyturn_as(&key.access_key_id, &key.secret_access_key, arguments).await;
        let denied: Vec<_> = needed(&stage).await.into_iter().filter(|check| !check.allowed).collect();
        assert!(run.code == 0 && denied.is_empty(), "{arguments:?}: {denied:?} {run}");
        stage.sandbox.advance(DAY).await;
    };
    let artifact = function().to_str().unwrap();
    let bootstrap = ["--yes", "bootstrap", "--artifact", artifact];
    configure(&stage, &["alice"], &options(128));
    run(&bootstrap).await;
    configure(&stage, &["alice", "bob"], &options(256));
    run(&["--yes", "bootstrap", "--express", "--artifact", artifact]).await;
    run(&["status", "--drift"]).await;
    run(&["plan", "--drift", "--artifact", artifact]).await;
    stage.sandbox.visit(|world| world.delete_resource("keyturn", "Sweeper").unwrap()).await;
    run(&["--yes", "bootstrap", "--drift", "--artifact", artifact]).await;
    run(&["rotate", "alice"]).await;
    run(&["hold", "alice"]).await;
    run(&["release", "alice"]).await;
    run(&["--yes", "rollback", "alice"]).await;
    run(&["--yes", "revoke", "alice"]).await;
    exchange_code(&stage, ACCOUNT).await;
    run(&["--yes", "bootstrap", "--artifact", artifact]).await;
    // The secrets stay, and join the next stack.
    run(&["--yes", "teardown"]).await;
    run(&["--yes", "bootstrap", "--artifact", artifact]).await;
    run(&["--yes", "teardown", "--keys", "revoke"]).await;

    let needed: BTreeSet<String> = needed(&stage).await.into_iter().map(|check| check.action).collect();
    let table: BTreeSet<String> = PERMISSIONS.iter().map(|permission| permission.action.to_owned()).collect();
    let unasked: BTreeSet<&str> = table.difference(&needed).map(String::as_str).collect();
    assert_eq!(unasked, NEVER_ASKED.into(), "what nobody needs does not belong into the table");
    let config = installer::config::read(&stage.path("keyturn.yaml")).unwrap();
    let operator = format!("arn:aws:iam::{ACCOUNT}:user/operator");
    let unneeded = stage.sandbox.visit(move |world| world.unneeded(&operator).unwrap()).await;
    // A row is needed where one of its resources is: not every configuration has two cells, and not every user is revoked.
    let rows =
        PERMISSIONS.iter().filter(|permission| permission.when.holds(&config)).map(|permission| permission.action);
    let is_unneeded = |(nth, action): &(usize, &str)| {
        let row = format!("statement {nth}: {}", action.to_lowercase());
        // The sandbox's Lambda looks for the subnets as the function's role only.
        unneeded.contains(&row) && !NEVER_ASKED.contains(action) && *action != "ec2:DescribeSubnets"
    };
    let superfluous: Vec<_> = rows.enumerate().filter(is_unneeded).collect();
    assert_eq!(superfluous, [], "another row allows the same");
}
