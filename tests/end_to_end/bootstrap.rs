//! `keyturn plan` and `keyturn bootstrap`: the first deployment, and what a second one makes of it.

mod changes;
mod interruptions;
mod outputs;

use sandbox::World;

use crate::invariants::{assert_at_rest, key_in};
use crate::stage::{ACCOUNT, REGION, Run, Stage, function, settings};

/// What a run has written that had nothing to do.
const NOTHING: [&str; 0] = [];

/// Writes `keyturn.yaml` for these users.
pub(crate) fn configure(stage: &Stage, users: &[&str], more: &str) {
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [{}]\n{more}", users.join(", ")));
}

/// A stage on which these users are in `keyturn.yaml` and deployed.
pub(crate) async fn deployed(users: &[&str]) -> Stage {
    let stage = Stage::with_users(users).await;
    configure(&stage, users, "");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage
}

async fn plan(stage: &Stage, arguments: &[&str]) -> Run {
    stage.keyturn(&[&["plan", "--artifact", function().to_str().unwrap()], arguments].concat()).await
}

/// Checks that the user's current key is one that applications can use, and gives its id.
pub(crate) fn working_key(world: &World, user: &str, secret: &str) -> String {
    let secret = world.secret(ACCOUNT, REGION, secret).unwrap();
    let current = key_in(&secret, "AWSCURRENT").unwrap_or_else(|| panic!("{user} has no current key"));
    let keys = world.access_keys(ACCOUNT, user);
    let key = keys.iter().find(|key| key.id() == current).unwrap();
    assert_eq!(key.status, sandbox::KeyStatus::Active, "{user}");
    let document: serde_json::Value =
        serde_json::from_str(secret.labelled("AWSCURRENT").unwrap().value.as_ref().unwrap().expose()).unwrap();
    assert_eq!(document["UserName"], user);
    assert!(document["SecretAccessKey"] == key.credentials.secret_access_key.as_str(), "{user}: the halves do not fit");
    assert!(key.last_used.is_some(), "{user}: the key was never proven");
    current
}

/// The current key of each user, under the default name of its secret.
pub(crate) async fn current_keys(stage: &Stage, users: &[&str]) -> Vec<String> {
    let users: Vec<String> = users.iter().map(|&user| user.to_owned()).collect();
    let look = move |world: &mut World| {
        users.iter().map(|user| working_key(world, user, &format!("keyturn/{user}"))).collect()
    };
    stage.sandbox.visit(look).await
}

#[tokio::test]
async fn a_plan_changes_nothing_and_says_what_would_be_made() {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    configure(&stage, &["alice", "bob"], "");
    stage.sandbox.visit(|world| world.create_access_key(ACCOUNT, "bob").unwrap()).await;
    let run = plan(&stage, &["--detailed-exitcode"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(plan(&stage, &[]).await.code, 0);
    assert_eq!(stage.take_writes().await, NOTHING);
    assert_eq!(stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_bootstrap_deploys_and_gives_every_user_a_working_key() {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    configure(&stage, &["alice", "bob"], "");
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!(in_order(run)));
    current_keys(&stage, &["alice", "bob"]).await;
    let stacks = stage.sandbox.visit(|world| world.stacks()).await;
    let stacks: Vec<_> = stacks.iter().map(|stack| (stack.name.as_str(), stack.status.as_str())).collect();
    assert_eq!(stacks, [("keyturn-artifacts", "CREATE_COMPLETE"), ("keyturn", "CREATE_COMPLETE")]);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_second_bootstrap_has_nothing_to_do_and_says_why() {
    let stage = deployed(&["alice", "bob"]).await;
    let keys = current_keys(&stage, &["alice", "bob"]).await;
    stage.sandbox.settle().await;
    stage.take_writes().await;
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(plan(&stage, &["--detailed-exitcode"]).await.code, 0);
    assert_eq!(stage.take_writes().await, NOTHING);
    assert_eq!(current_keys(&stage, &["alice", "bob"]).await, keys);
    stage.assert_no_secret_left_behind().await;
}

/// Each of them costs the round trip of a run that has nothing to do: who am I, the stack and its template, whether there is a
/// second one, the user with keys and secret, and whether the code is there and runs.
const CALLS_FOR_NOTHING: [&str; 10] = [
    "cloudformation:DescribeStacks",
    "cloudformation:DescribeStacks",
    "cloudformation:GetTemplate",
    "iam:GetUser",
    "iam:ListAccessKeys",
    "lambda:GetFunctionConfiguration",
    "s3:HeadBucket",
    "s3:HeadObject",
    "secretsmanager:DescribeSecret",
    "sts:GetCallerIdentity",
];

/// What an update asks CloudFormation beside that. The change set and the stack are looked at again while they are busy.
const CALLS_FOR_AN_UPDATE: [&str; 5] = [
    "cloudformation:CreateChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStackEvents",
    "cloudformation:ExecuteChangeSet",
];

/// The calls of the run, but for those of CloudFormation itself.
async fn calls_of_a_run(stage: &Stage) -> Vec<String> {
    stage.sandbox.settle().await;
    stage.sandbox.visit(World::clear_calls).await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let of_run = |world: &mut World| {
        let calls = world.calls().iter().filter(|call| call.principal.contains("user/administrator"));
        let operations = calls.map(|call| call.operation.clone());
        operations.filter(|operation| !operation.contains(' ')).collect::<Vec<_>>()
    };
    let mut calls = stage.sandbox.visit(of_run).await;
    calls.sort();
    calls
}

#[tokio::test]
async fn each_question_is_asked_once() {
    let stage = Stage::with_users(&["alice"]).await;
    stage.sandbox.visit(|world| world.create_bucket(ACCOUNT, REGION, "code").unwrap()).await;
    configure(&stage, &["alice"], "artifact_bucket: code\n");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(calls_of_a_run(&stage).await, CALLS_FOR_NOTHING);
    configure(&stage, &["alice"], "artifact_bucket: code\nfunction: { memory: 256 }\n");
    let calls = calls_of_a_run(&stage).await;
    let function = ["lambda:GetFunctionConfiguration", "lambda:Invoke"];
    let mut expected = [&CALLS_FOR_NOTHING[..], &CALLS_FOR_AN_UPDATE, &function].concat();
    expected.sort_unstable();
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn without_an_answer_to_the_question_nothing_is_left_behind() {
    let stage = Stage::with_users(&["alice"]).await;
    let run =
        stage.keyturn(&["--region", REGION, "bootstrap", "alice", "--artifact", function().to_str().unwrap()]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(stage.take_writes().await, NOTHING);
    assert_eq!(stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await, NOTHING);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_users_are_deployed_and_rotated() {
    let names: Vec<String> = (0..30).map(|number| format!("user-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = deployed(&names).await;
    let keys = current_keys(&stage, &names).await;
    assert_eq!(keys.len(), 30);
    let count = |world: &mut World| {
        (0..30).map(|number| world.access_keys(ACCOUNT, &format!("user-{number}")).len()).sum::<usize>()
    };
    assert_eq!(stage.sandbox.visit(count).await, 30, "each user has one key, the current one");
    stage.assert_no_secret_left_behind().await;
}

/// Others may write into the bucket, too.
#[tokio::test]
async fn a_template_that_somebody_exchanges_in_the_bucket_is_not_executed() {
    let names: Vec<String> = (0..60).map(|number| format!("user-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = Stage::with_users(&names).await;
    configure(&stage, &names, "");
    let exchange = |world: &mut World| {
        let bucket = format!("keyturn-artifacts-{ACCOUNT}-{REGION}");
        let worse = |_: &str, content: &[u8]| {
            let text = std::str::from_utf8(content).ok().filter(|text| text.contains("AWS::Lambda::Function"))?;
            Some(text.replace("iam:ListAccessKeys", "iam:*").into_bytes())
        };
        world.exchange_objects(&bucket, worse);
    };
    // The first change set makes the bucket itself.
    let order = move |world: &mut World| {
        world.interfere("cloudformation:CreateChangeSet", "user/administrator", 1, exchange);
    };
    stage.sandbox.visit(order).await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(stage.sandbox.visit(|world| world.pending_interferences()).await, 0, "nobody has meddled");
    assert!(
        run.code != 0 && run.stderr.contains("another template than the one that was put into the bucket"),
        "{run}"
    );
    let stacks = |world: &mut World| {
        world.stacks().iter().map(|stack| format!("{} {}", stack.name, stack.status)).collect::<Vec<_>>()
    };
    let stacks = stage.sandbox.visit(stacks).await;
    assert_eq!(stacks, ["keyturn-artifacts CREATE_COMPLETE", "keyturn DELETE_COMPLETE"], "nothing was made");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
}

#[tokio::test]
async fn users_with_a_path_and_with_every_legal_character_are_served() {
    let names = [("a+b=c,d.e@f-g_h", "keyturn/a+b=c//d.e@f-g_h"), ("x-ABCDEF", "keyturn/x-ABCDEF/user")];
    let stage = Stage::with_users(&[names[0].0, names[1].0]).await;
    stage.sandbox.visit(|world| world.create_user(ACCOUNT, "deep", "/division_abc/subdivision/").unwrap()).await;
    configure(&stage, &[r#""a+b=c,d.e@f-g_h""#, "x-ABCDEF", "deep"], "");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let check = move |world: &mut World| {
        for (user, secret) in [names[0], names[1], ("deep", "keyturn/deep")] {
            working_key(world, user, secret);
        }
        assert_at_rest(world, "deep");
        let denied = world.calls().iter().filter(|call| call.is_denied()).count();
        assert_eq!(denied, 0, "the function may do what it has to");
    };
    stage.sandbox.visit(check).await;
    assert_eq!(plan(&stage, &["--detailed-exitcode"]).await.code, 0);
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bootstraps_at_once_make_one_deployment() {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    configure(&stage, &["alice", "bob"], "");
    let (one, other) = tokio::join!(stage.bootstrap(&[]), stage.bootstrap(&[]));
    // One of them may lose the race for a stack; it must say so, and nothing of it must stay.
    for run in [&one, &other] {
        assert!(run.code == 0 || run.code == 1 && run.stderr.contains("run the same command again"), "{run}");
    }
    assert!(one.code == 0 || other.code == 0, "{one}\n{other}");
    let last = stage.bootstrap(&[]).await;
    assert_eq!(last.code, 0, "{last}");
    current_keys(&stage, &["alice", "bob"]).await;
    let check = |world: &mut World| {
        assert_at_rest(world, "alice");
        assert_at_rest(world, "bob");
        assert_eq!(world.access_keys(ACCOUNT, "alice").len(), 1, "no key was made in vain");
    };
    stage.sandbox.visit(check).await;
    stage.assert_no_secret_left_behind().await;
}

/// The same run with the lines about single resources in the order of the alphabet: they are made in parallel.
pub(crate) fn in_order(mut run: Run) -> Run {
    let lines: Vec<&str> = run.stderr.lines().collect();
    let is_event = |line: &&str| line.starts_with("  ") && line.contains("_COMPLETE ");
    let mut sorted = Vec::new();
    for group in lines.chunk_by(|one, other| is_event(one) == is_event(other)) {
        let mut group = group.to_vec();
        if group.first().is_some_and(is_event) {
            group.sort_unstable();
        }
        sorted.extend(group);
    }
    run.stderr = sorted.iter().map(|line| format!("{line}\n")).collect();
    run
}
