//! Answers that AWS would never give: empty, of another type, nested without end, larger than memory, in pages without
//! end, or none at all. `keyturn` ends with an error that says which call it was, and the function loses no key.

use std::time::Duration;

use sandbox::{Fault, FaultEffect, Outcome, Upcoming, World};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::crash::{nothing, stage_with_first_keys, strike_every_call};
use crate::stage::{REGION, Run, Stage, function};

/// More calls than any of these commands makes.
const MOST_CALLS: usize = 150;

/// Nesting that a parser must not follow with its stack.
const DEEP: usize = 200_000;

/// What comes back in place of an answer.
fn bodies() -> Vec<Vec<u8>> {
    let texts =
        ["", "null", "[]", "{}", "<a/>", "<<<", "{\"SecretList\":{},\"ARN\":7,\"Tags\":\"x\"}", "\u{0}\u{1b}[2J"];
    let deep = [("[", ""), ("{\"a\":", ""), ("<a>", "")].map(|(open, _)| open.repeat(DEEP));
    let wrong = "<R><GetUserResult><User><UserName>al/ice</UserName><UserId/></User></GetUserResult>\
                 <DescribeStacksResult><Stacks><member><StackStatus>FINE</StackStatus></member></Stacks></DescribeStacksResult></R>";
    texts.into_iter().map(str::to_owned).chain(deep).chain([wrong.to_owned()]).map(String::into_bytes).collect()
}

async fn deployed() -> Stage {
    let stage = Stage::with_users(&["alice", "bob"]).await;
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [alice, bob]\n"));
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    stage
}

/// Has the `nth` call of the administrator answered with `body`, runs `keyturn`, and says whether it came to that call.
async fn answered(stage: &Stage, nth: usize, body: Vec<u8>, arguments: &[&str]) -> (Run, Option<String>) {
    let effect = FaultEffect::Answer(body);
    let fault = Fault { operation: None, principal: Some("user/administrator".to_owned()), after: nth, effect };
    stage.sandbox.visit(|world| (world.clear_calls(), world.inject(fault))).await;
    let run = stage.keyturn(arguments).await;
    let struck = stage.sandbox.visit(|world| {
        world.clear_faults();
        let struck = world.calls().iter().find(|call| call.outcome == Outcome::AnswerLost);
        struck.map(|call| call.operation.clone())
    });
    (run, struck.await)
}

/// Has every list of secrets answered with what `body` makes of the number of the call.
async fn answer_secrets(stage: &Stage, body: fn(usize) -> Vec<u8>) {
    let mut nth = 0;
    let answer = move |_: &mut World, upcoming: &Upcoming| {
        nth += 1;
        (upcoming.operation == "secretsmanager:ListSecrets").then(|| FaultEffect::Answer(body(nth)))
    };
    stage.sandbox.visit(move |world| world.sabotage(answer)).await;
}

fn assert_ended_by_itself(run: &Run, at: &str) {
    // A panic is 101, or 134 where it aborts; a signal has no code.
    assert!((0..=10).contains(&run.code), "{at}: {run}");
    assert!(!run.stderr.contains("panicked"), "{at}: {run}");
    assert!(run.code == 0 || run.stderr.contains("error:") || run.stderr.contains("FAIL"), "{at}: {run}");
    assert!(!run.stderr.contains('\u{1b}') && !run.stdout.contains('\u{1b}'), "{at}: {run}");
}

/// Answers each call of a command that changes nothing with each of the bodies.
async fn answer_every_call(stage: &Stage, arguments: &[&str]) {
    for (which, body) in bodies().into_iter().enumerate() {
        for nth in 0..=MOST_CALLS {
            let (run, struck) = answered(stage, nth, body.clone(), arguments).await;
            let Some(struck) = struck else {
                assert!(nth > 0, "no call was answered: the test tests nothing");
                break;
            };
            assert_ended_by_itself(&run, &format!("{arguments:?}, body {which} for call {nth}, {struck}"));
            assert!(nth < MOST_CALLS, "{arguments:?} makes more calls: raise the number");
        }
    }
}

#[tokio::test]
async fn commands_that_look_end_with_an_error_that_can_be_read() {
    let stage = deployed().await;
    for arguments in
        [&["status"][..], &["plan", "--artifact", function().to_str().unwrap()], &["teardown", "--dry-run"]]
    {
        answer_every_call(&stage, arguments).await;
    }
    let run = stage.keyturn(&["status"]).await;
    assert_eq!(run.code, 0, "{run}");
}

#[tokio::test]
async fn a_bootstrap_that_was_told_nonsense_is_completed_by_the_next() {
    for body in bodies() {
        let stage = Stage::with_users(&["alice"]).await;
        stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [alice]\n"));
        let arguments = ["--yes", "bootstrap", "--artifact", function().to_str().unwrap()];
        for nth in 0..=MOST_CALLS {
            let (run, struck) = answered(&stage, nth, body.clone(), &arguments).await;
            let Some(struck) = struck else { break };
            assert_ended_by_itself(&run, &format!("call {nth}, {struck}"));
        }
        stage.sandbox.settle().await;
        let run = stage.bootstrap(&[]).await;
        assert_eq!(run.code, 0, "{run}");
        let findings = stage.sandbox.visit(|world| world.findings().to_vec()).await;
        assert_eq!(findings, [] as [String; 0]);
    }
}

#[tokio::test]
async fn an_answer_larger_than_any_of_aws_is_not_read_to_its_end() {
    let stage = deployed().await;
    answer_secrets(&stage, |_| vec![b'['; 40 << 20]).await;
    let run = stage.keyturn(&["teardown", "--dry-run"]).await;
    assert!(run.code != 0 && run.stderr.contains("length limit exceeded"), "{run}");
}

#[tokio::test]
async fn pages_without_end_are_given_up() {
    let stage = deployed().await;
    answer_secrets(&stage, |nth| format!(r#"{{"SecretList":[],"NextToken":"{nth}"}}"#).into_bytes()).await;
    let run = stage.keyturn(&["teardown", "--dry-run"]).await;
    assert!(run.code != 0 && run.stderr.contains("does not end after 10000 pages"), "{run}");
    // The same page for ever.
    answer_secrets(&stage, |_| br#"{"SecretList":[],"NextToken":"again"}"#.to_vec()).await;
    let run = stage.keyturn(&["teardown", "--dry-run"]).await;
    assert!(run.code != 0 && run.stderr.contains("does not end after 10000 pages"), "{run}");
}

/// Has whoever asks get pages without end in place of one answer: now the same one, now another.
async fn answer_the_function_without_end(stage: &Stage, operation: &'static str, page: fn(usize) -> String) {
    let mut nth = 0;
    let answer = move |_: &mut World, upcoming: &Upcoming| {
        let is_meant = upcoming.operation == operation && upcoming.principal.contains("assumed-role/");
        nth += usize::from(is_meant);
        is_meant.then(|| FaultEffect::Answer(page(nth).into_bytes()))
    };
    stage.sandbox.visit(move |world| (world.clear_calls(), world.sabotage(answer))).await;
}

#[tokio::test]
async fn a_rotation_survives_keys_without_end() {
    let stage = stage_with_first_keys().await;
    let pages: [fn(usize) -> String; 2] = [|nth| keys_and(&nth.to_string()), |_| keys_and("again")];
    let told = async || {
        let log = stage.function_log().await;
        log.matches("iam:ListAccessKeys failed: the answer does not end after 100 pages").count()
    };
    for (user, page) in ["user-0", "user-1"].into_iter().zip(pages) {
        let before = told().await;
        answer_the_function_without_end(&stage, "iam:ListAccessKeys", page).await;
        stage.rotate_secret(user).await;
        stage.sandbox.settle().await;
        assert!(told().await > before);
        stage.sandbox.visit(|world| world.sabotage(|_, _| None)).await;
        stage.sandbox.advance(Duration::from_hours(6)).await;
        stage.sandbox.visit(move |world| crate::invariants::assert_at_rest(world, user)).await;
    }
    stage.assert_no_secret_left_behind().await;
}

/// A page of no keys that says there is more.
fn keys_and(more: &str) -> String {
    format!(
        "<ListAccessKeysResponse><ListAccessKeysResult><AccessKeyMetadata/><IsTruncated>true</IsTruncated>\
         <Marker>{more}</Marker></ListAccessKeysResult></ListAccessKeysResponse>"
    )
}

#[tokio::test]
async fn a_pass_of_the_sweeper_gives_up_secrets_without_end() {
    let stage = deployed().await;
    let pages: [fn(usize) -> String; 2] = [
        |nth| format!(r#"{{"SecretList":[],"NextToken":"{nth}"}}"#),
        |_| r#"{"SecretList":[],"NextToken":"again"}"#.to_owned(),
    ];
    for page in pages {
        answer_the_function_without_end(&stage, "secretsmanager:ListSecrets", page).await;
        let (kind, answer) = stage.invoke(br#"{"sweep": "all"}"#).await;
        assert_eq!(kind.as_deref(), Some("Unhandled"), "{answer}");
        let message = answer["errorMessage"].as_str().unwrap();
        assert!(message.contains("ListSecrets failed: the answer does not end after 10000 pages"), "{message}");
    }
    stage.sandbox.visit(|world| world.sabotage(|_, _| None)).await;
    let (kind, answer) = stage.invoke(br#"{"sweep": "all"}"#).await;
    assert_eq!(kind, None, "{answer}");
}

/// How somebody answers who does not end.
#[derive(Clone, Copy)]
enum Slow {
    /// Takes the request, and says nothing.
    Silent,
    /// A byte a second, of very many.
    Dripping,
}

/// Stands in for AWS until the test ends. Gives the endpoint.
async fn slow_endpoint(slow: Slow) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                if matches!(slow, Slow::Dripping) {
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: 100000\r\n\r\n";
                    stream.write_all(head.as_bytes()).await.unwrap();
                    // Whoever asked has hung up, when it cannot be written any more.
                    while stream.write_all(b" ").await.is_ok() {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
                std::future::pending::<()>().await;
            });
        }
    });
    endpoint
}

#[tokio::test]
async fn whoever_never_ends_an_answer_is_given_up() {
    let stage = Stage::with_users(&["alice"]).await;
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [alice]\n"));
    for slow in [Slow::Silent, Slow::Dripping] {
        let endpoint = slow_endpoint(slow).await;
        let environment = [
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "anything"),
            ("AWS_ENDPOINT_URL", &endpoint),
            ("KEYTURN_TRY_SECONDS", "1"),
        ];
        let run = stage.keyturn_with(&environment, &["status"]);
        let run = tokio::time::timeout(Duration::from_mins(2), run).await.expect("it ends by itself");
        assert!(run.code != 0 && run.stderr.contains("error: `sts:GetCallerIdentity`"), "{run}");
    }
    let environment = [("KEYTURN_TRY_SECONDS", "forever")];
    let run = stage.keyturn_with(&environment, &["status"]).await;
    assert!(run.code == 1 && run.stderr.contains("is no number of seconds from 1 to 3600"), "{run}");
}

/// Has the answer to the `nth` call of a bootstrap that changes something never come, and does it again. `false` when there
/// are fewer such calls.
async fn bootstrap_in_silence(nth: usize) -> bool {
    let stage = Stage::with_users(&["alice"]).await;
    stage.configure(&format!("version: 1\nregion: {REGION}\nusers: [alice]\n"));
    let mut left = Some(nth);
    let be_silent = move |_: &mut World, upcoming: &Upcoming| {
        let (_, operation) = upcoming.operation.split_once(':')?;
        let changes = !["Describe", "Get", "Head", "List"].iter().any(|read| operation.starts_with(read));
        if !changes || !upcoming.principal.contains("user/administrator") {
            return None;
        }
        let is_due = left == Some(0);
        left = left.and_then(|left| left.checked_sub(1));
        is_due.then_some(FaultEffect::Silence)
    };
    stage.sandbox.visit(move |world| world.sabotage(be_silent)).await;
    let environment = [
        ("AWS_ACCESS_KEY_ID", stage.admin.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", stage.admin.secret_access_key.as_str()),
        ("KEYTURN_TRY_SECONDS", "2"),
    ];
    let artifact = function().to_str().unwrap();
    let run = stage.keyturn_with(&environment, &["--yes", "bootstrap", "--artifact", artifact]).await;
    assert_ended_by_itself(&run, &format!("call {nth}"));
    let lost = |world: &mut World| world.calls().iter().any(|call| call.outcome == Outcome::AnswerLost);
    if !stage.sandbox.visit(lost).await {
        return false;
    }
    stage.sandbox.settle().await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "call {nth}: {run}");
    stage.sandbox.visit(|world| crate::invariants::assert_at_rest(world, "alice")).await;
    true
}

/// What was asked is asked again, and a call that was done is understood. Most of the time goes by waiting, so some wait at
/// the same time.
#[tokio::test]
async fn a_bootstrap_to_which_nobody_answers_once_is_completed() {
    const AT_ONCE: usize = 6;
    function();
    for first in (0..MOST_CALLS).step_by(AT_ONCE) {
        let mut runs: JoinSet<bool> = (first..first + AT_ONCE).map(bootstrap_in_silence).collect();
        while let Some(run) = runs.join_next().await {
            if !run.unwrap() {
                assert!(first > 0, "hardly any call was struck: the test tests nothing");
                return;
            }
        }
    }
    panic!("a bootstrap makes more calls: raise the number");
}

#[tokio::test]
async fn a_rotation_survives_an_empty_answer_to_any_call() {
    strike_every_call(&stage_with_first_keys().await, || FaultEffect::Answer(Vec::new()), nothing).await;
}

#[tokio::test]
async fn a_rotation_survives_an_answer_without_content_to_any_call() {
    strike_every_call(&stage_with_first_keys().await, || FaultEffect::Answer(b"<a/>".to_vec()), nothing).await;
    strike_every_call(&stage_with_first_keys().await, || FaultEffect::Answer(b"{}".to_vec()), nothing).await;
}

#[tokio::test]
async fn a_rotation_survives_an_answer_that_is_nested_without_end_to_any_call() {
    let (json, xml) = (|| FaultEffect::Answer(b"[".repeat(DEEP)), || FaultEffect::Answer(b"<a>".repeat(DEEP)));
    strike_every_call(&stage_with_first_keys().await, json, nothing).await;
    strike_every_call(&stage_with_first_keys().await, xml, nothing).await;
}

/// The key is there, but nobody says so.
#[tokio::test]
async fn a_rotation_survives_silence() {
    let stage = stage_with_first_keys().await;
    let fault = Fault {
        operation: Some("iam:CreateAccessKey".to_owned()),
        principal: None,
        after: 0,
        effect: FaultEffect::Silence,
    };
    stage.sandbox.visit(|world| world.inject(fault)).await;
    stage.rotate_secret("user-0").await;
    stage.sandbox.settle().await;
    assert_eq!(stage.sandbox.visit(World::clear_faults).await, 0, "nobody was silent: the test tests nothing");
    stage.sandbox.advance(Duration::from_hours(6)).await;
    stage.sandbox.visit(|world| crate::invariants::assert_at_rest(world, "user-0")).await;
}
