//! Contracts of IAM and STS: users and their keys, whom a signature proves, sessions of roles.

use std::fmt::Debug;
use std::time::Duration;

use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::types::StatusType;
use aws_types::SdkConfig;
use sandbox::{ApiError, Credentials, KeyStatus, Options, Sandbox, World};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::clients::{ACCOUNT, REGION, config};

/// A second account, whose users may want into the first one.
pub(crate) const OTHER_ACCOUNT: &str = "444455556666";

/// A sandbox with one account, and the administrator's credentials.
pub(crate) async fn start() -> (Sandbox, Credentials) {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let credentials = change(&sandbox, |world| world.create_account(ACCOUNT)).await;
    (sandbox, credentials)
}

/// Describes a part of the world.
pub(crate) async fn change<T: Send + 'static>(
    sandbox: &Sandbox,
    change: impl FnOnce(&mut World) -> Result<T, ApiError> + Send + 'static,
) -> T {
    sandbox.visit(change).await.unwrap()
}

/// A new user with a key.
pub(crate) async fn user(sandbox: &Sandbox, account: &'static str, name: &'static str) -> Credentials {
    change(sandbox, |world| world.create_user(account, name, "/team/")).await;
    change(sandbox, |world| world.create_access_key(account, name)).await
}

pub(crate) fn signed_by(sandbox: &Sandbox, credentials: &Credentials) -> SdkConfig {
    let Credentials { access_key_id, secret_access_key, session_token } = credentials;
    config(sandbox.endpoint(), access_key_id, secret_access_key, session_token.as_deref())
}

pub(crate) fn iam(sandbox: &Sandbox, credentials: &Credentials) -> aws_sdk_iam::Client {
    aws_sdk_iam::Client::new(&signed_by(sandbox, credentials))
}

pub(crate) fn sts(sandbox: &Sandbox, credentials: &Credentials) -> aws_sdk_sts::Client {
    aws_sdk_sts::Client::new(&signed_by(sandbox, credentials))
}

/// HTTP status and code of an error answer.
pub(crate) fn refusal<T: Debug, E: ProvideErrorMetadata + Debug>(result: Result<T, SdkError<E>>) -> (u16, String) {
    let error = result.expect_err("an error answer");
    let status = error.raw_response().expect("an answer").status().as_u16();
    (status, error.code().unwrap_or_default().to_owned())
}

pub(crate) fn error(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// A trust policy for this principal, with these conditions.
pub(crate) fn trust(principal: &str, conditions: serde_json::Value) -> String {
    let statement = json!({
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": principal }, "Condition": conditions,
    });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

/// The credentials that AssumeRole gave.
pub(crate) fn session(answer: &aws_sdk_sts::operation::assume_role::AssumeRoleOutput) -> Credentials {
    let credentials = answer.credentials().unwrap();
    Credentials {
        access_key_id: credentials.access_key_id().to_owned(),
        secret_access_key: credentials.secret_access_key().to_owned(),
        session_token: Some(credentials.session_token().to_owned()),
    }
}

#[tokio::test]
async fn a_user_has_two_keys_and_inactive_counts() {
    let (sandbox, admin) = start().await;
    let first = user(&sandbox, ACCOUNT, "alice").await.access_key_id;
    let iam = iam(&sandbox, &admin);
    iam.update_access_key().user_name("alice").access_key_id(&first).status(StatusType::Inactive).send().await.unwrap();
    let created = iam.create_access_key().user_name("alice").send().await.unwrap();
    let second = created.access_key().unwrap();
    assert_eq!((second.user_name(), second.status()), ("alice", &StatusType::Active));
    assert!(second.access_key_id().starts_with("AKIA") && second.access_key_id().len() == 20);
    assert_eq!(second.secret_access_key().len(), 40);
    let third = iam.create_access_key().user_name("alice").send().await;
    assert_eq!(refusal(third), error(409, "LimitExceeded"));
    let listed = iam.list_access_keys().user_name("alice").send().await.unwrap();
    let listed: Vec<_> = listed.access_key_metadata().iter().map(|key| (key.access_key_id(), key.status())).collect();
    let expected = [
        (Some(first.as_str()), Some(&StatusType::Inactive)),
        (Some(second.access_key_id()), Some(&StatusType::Active)),
    ];
    assert_eq!(listed, expected);
    iam.delete_access_key().user_name("alice").access_key_id(&first).send().await.unwrap();
    iam.create_access_key().user_name("alice").send().await.unwrap();
}

#[tokio::test]
async fn a_key_belongs_to_one_user() {
    let (sandbox, admin) = start().await;
    let key = user(&sandbox, ACCOUNT, "alice").await.access_key_id;
    user(&sandbox, ACCOUNT, "bob").await;
    let iam = iam(&sandbox, &admin);
    let of_bob = iam.delete_access_key().user_name("bob").access_key_id(&key).send().await;
    assert_eq!(refusal(of_bob), error(404, "NoSuchEntity"));
    let of_nobody = iam.list_access_keys().user_name("carol").send().await;
    assert_eq!(refusal(of_nobody), error(404, "NoSuchEntity"));
}

#[tokio::test]
async fn delete_user_with_keys_conflicts() {
    let (sandbox, admin) = start().await;
    let key = user(&sandbox, ACCOUNT, "alice").await.access_key_id;
    let iam = iam(&sandbox, &admin);
    let refused = iam.delete_user().user_name("alice").send().await;
    assert_eq!(refusal(refused), error(409, "DeleteConflict"));
    iam.delete_access_key().user_name("alice").access_key_id(key).send().await.unwrap();
    iam.delete_user().user_name("alice").send().await.unwrap();
    let gone = iam.get_user().user_name("alice").send().await;
    assert_eq!(refusal(gone), error(404, "NoSuchEntity"));
}

#[tokio::test]
async fn users_are_listed_in_pages_of_100() {
    let (sandbox, admin) = start().await;
    sandbox
        .visit(|world| {
            for number in 0..204 {
                let path = if number % 2 == 0 { "/even/" } else { "/" };
                world.create_user(ACCOUNT, &format!("user-{number:03}"), path).unwrap();
            }
        })
        .await;
    let iam = iam(&sandbox, &admin);
    let (mut sizes, mut names, mut marker) = (Vec::new(), Vec::new(), None);
    loop {
        let page = iam.list_users().set_marker(marker).send().await.unwrap();
        sizes.push(page.users().len());
        names.extend(page.users().iter().map(|user| user.user_name().to_owned()));
        marker = page.marker().map(str::to_owned);
        assert_eq!(page.is_truncated(), marker.is_some());
        if marker.is_none() {
            break;
        }
    }
    names.dedup();
    assert_eq!((sizes, names.len()), (vec![100, 100, 5], 205), "204 users and the administrator");
    let even = iam.list_users().path_prefix("/even/").send().await.unwrap();
    assert_eq!((even.users().len(), even.is_truncated()), (100, true));
    let few = iam.list_users().path_prefix("/even/").max_items(2).send().await.unwrap();
    let arns: Vec<&str> = few.users().iter().map(|user| user.arn()).collect();
    assert_eq!(arns, ["arn:aws:iam::111122223333:user/even/user-000", "arn:aws:iam::111122223333:user/even/user-002"]);
}

#[tokio::test]
async fn names_are_compared_without_case() {
    let (sandbox, admin) = start().await;
    user(&sandbox, ACCOUNT, "Alice").await;
    change(&sandbox, |world| world.tag_user(ACCOUNT, "alice", "team", "a")).await;
    let found = iam(&sandbox, &admin).get_user().user_name("ALICE").send().await.unwrap();
    let found = found.user().unwrap();
    assert_eq!((found.user_name(), found.path()), ("Alice", "/team/"));
    assert_eq!(found.tags().iter().map(|tag| (tag.key(), tag.value())).collect::<Vec<_>>(), [("team", "a")]);
    let again = sandbox.visit(|world| world.create_user(ACCOUNT, "ALICE", "/")).await;
    assert_eq!(again.map_err(|error| error.code), Err("EntityAlreadyExists".into()));
}

#[tokio::test]
async fn a_user_created_again_is_another_one() {
    let (sandbox, _) = start().await;
    let first = change(&sandbox, |world| world.create_user(ACCOUNT, "alice", "/")).await;
    change(&sandbox, |world| world.delete_user(ACCOUNT, "alice")).await;
    let second = change(&sandbox, |world| world.create_user(ACCOUNT, "alice", "/")).await;
    assert_ne!(first, second);
}

#[tokio::test]
async fn last_used_tells_service_region_and_time() {
    let (sandbox, admin) = start().await;
    let key = user(&sandbox, ACCOUNT, "alice").await;
    let iam = iam(&sandbox, &admin);
    let last_used = || iam.get_access_key_last_used().access_key_id(&key.access_key_id).send();
    let never = last_used().await.unwrap();
    assert_eq!(never.user_name(), Some("alice"));
    let never = never.access_key_last_used().unwrap();
    assert_eq!((never.last_used_date(), never.service_name(), never.region()), (None, "N/A", "N/A"));
    sandbox.advance(Duration::from_secs(3600)).await;
    sts(&sandbox, &key).get_caller_identity().send().await.unwrap();
    let used = last_used().await.unwrap();
    let used = used.access_key_last_used().unwrap();
    assert_eq!((used.service_name(), used.region()), ("sts", REGION));
    let start = Options::default().start.as_second();
    assert_eq!(used.last_used_date().map(|date| date.secs()), Some(start + 3600));
}

#[tokio::test]
async fn last_used_of_a_key_that_is_not_there_is_denied() {
    let (sandbox, admin) = start().await;
    change(&sandbox, |world| world.create_account(OTHER_ACCOUNT)).await;
    let elsewhere = user(&sandbox, OTHER_ACCOUNT, "alice").await.access_key_id;
    for id in [elsewhere.as_str(), "AKIAAAAAAAAAAAAAAAAA"] {
        let refused = iam(&sandbox, &admin).get_access_key_last_used().access_key_id(id).send().await;
        assert_eq!(refusal(refused), error(403, "AccessDenied"));
    }
}

#[tokio::test]
async fn caller_identity_needs_no_permission() {
    let (sandbox, _) = start().await;
    let id = change(&sandbox, |world| world.create_user(ACCOUNT, "alice", "/team/")).await;
    let key = change(&sandbox, |world| world.create_access_key(ACCOUNT, "alice")).await;
    let sts = sts(&sandbox, &key);
    sts.get_caller_identity().send().await.unwrap();
    let deny = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
    change(&sandbox, |world| world.put_user_policy(ACCOUNT, "alice", "nothing", deny)).await;
    let caller = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(caller.account(), Some(ACCOUNT));
    assert_eq!(caller.arn(), Some("arn:aws:iam::111122223333:user/team/alice"));
    assert_eq!(caller.user_id(), Some(id.as_str()));
    assert_eq!(refusal(iam(&sandbox, &key).get_user().send().await), error(403, "AccessDenied"));
}

#[tokio::test]
async fn an_inactive_key_is_refused_until_it_is_active_again() {
    let (sandbox, _) = start().await;
    let key = user(&sandbox, ACCOUNT, "alice").await;
    let sts = sts(&sandbox, &key);
    for (status, expected) in [(KeyStatus::Inactive, false), (KeyStatus::Active, true)] {
        let id = key.access_key_id.clone();
        change(&sandbox, move |world| world.set_access_key_status(&id, status)).await;
        match (sts.get_caller_identity().send().await, expected) {
            (Ok(_), true) => {}
            (result, _) => assert_eq!(refusal(result), error(403, "InvalidClientTokenId")),
        }
    }
}

#[tokio::test]
async fn a_deleted_or_unknown_key_is_refused() {
    let (sandbox, _) = start().await;
    let key = user(&sandbox, ACCOUNT, "alice").await;
    let unknown = Credentials { access_key_id: "AKIAAAAAAAAAAAAAAAAA".into(), ..key.clone() };
    let refused = sts(&sandbox, &unknown).get_caller_identity().send().await;
    assert_eq!(refusal(refused), error(403, "InvalidClientTokenId"));
    let id = key.access_key_id.clone();
    change(&sandbox, move |world| world.delete_access_key(&id)).await;
    let refused = sts(&sandbox, &key).get_caller_identity().send().await;
    assert_eq!(refusal(refused), error(403, "InvalidClientTokenId"));
}

#[tokio::test]
async fn a_wrong_secret_does_not_match_and_is_no_use_of_the_key() {
    let (sandbox, _) = start().await;
    let key = user(&sandbox, ACCOUNT, "alice").await;
    let wrong = Credentials { secret_access_key: "wrong".into(), ..key };
    let refused = sts(&sandbox, &wrong).get_caller_identity().send().await;
    assert_eq!(refusal(refused), error(403, "SignatureDoesNotMatch"));
    let keys = sandbox.visit(|world| world.access_keys(ACCOUNT, "alice")).await;
    assert_eq!(keys.iter().map(|key| key.last_used.clone()).collect::<Vec<_>>(), [None]);
}

#[tokio::test]
async fn a_json_service_refuses_a_key_in_words_of_its_own() {
    let (sandbox, _) = start().await;
    let key = user(&sandbox, ACCOUNT, "alice").await;
    let unknown = Credentials { access_key_id: "AKIAAAAAAAAAAAAAAAAA".into(), ..key.clone() };
    let wrong = Credentials { secret_access_key: "wrong".into(), ..key };
    let table = [(unknown, "UnrecognizedClientException"), (wrong, "InvalidSignatureException")];
    for (credentials, code) in table {
        let client = aws_sdk_secretsmanager::Client::new(&signed_by(&sandbox, &credentials));
        let refused = client.describe_secret().secret_id("any").send().await;
        assert_eq!(refusal(refused), error(400, code));
    }
}

#[tokio::test]
async fn a_new_key_is_refused_at_first() {
    let (sandbox, admin) = start().await;
    change(&sandbox, |world| world.create_user(ACCOUNT, "alice", "/")).await;
    sandbox.visit(|world| world.fail_new_keys_for(Duration::from_secs(3))).await;
    let created = iam(&sandbox, &admin).create_access_key().user_name("alice").send().await.unwrap();
    let key = created.access_key().unwrap();
    let key = Credentials {
        access_key_id: key.access_key_id().into(),
        secret_access_key: key.secret_access_key().into(),
        session_token: None,
    };
    let sts = sts(&sandbox, &key);
    for _ in 0..3 {
        let refused = sts.get_caller_identity().send().await;
        assert_eq!(refusal(refused), error(403, "InvalidClientTokenId"));
    }
    sts.get_caller_identity().send().await.unwrap();
}

#[tokio::test]
async fn assume_role_honours_the_trust_policy() {
    let (sandbox, admin) = start().await;
    let alice = user(&sandbox, ACCOUNT, "alice").await;
    let bob = user(&sandbox, ACCOUNT, "bob").await;
    let document = trust("arn:aws:iam::111122223333:user/team/alice", json!({}));
    let role = change(&sandbox, move |world| world.create_role(ACCOUNT, "deployer", &document)).await;
    let assume =
        |key: &Credentials| sts(&sandbox, key).assume_role().role_arn(&role).role_session_name("from-a-test").send();
    // Named by the role's trust policy, alice needs no permission of her own; bob and the administrator, who may do
    // everything, are not named.
    let answer = assume(&alice).await.unwrap();
    for other in [&bob, &admin] {
        assert_eq!(refusal(assume(other).await), error(403, "AccessDenied"));
    }
    let session = session(&answer);
    assert!(session.access_key_id.starts_with("ASIA"), "{session:?}");
    let caller = sts(&sandbox, &session).get_caller_identity().send().await.unwrap();
    assert_eq!(caller.arn(), Some("arn:aws:sts::111122223333:assumed-role/deployer/from-a-test"));
    let assumed = answer.assumed_role_user().unwrap();
    assert_eq!((caller.arn(), caller.user_id()), (Some(assumed.arn()), Some(assumed.assumed_role_id())));
    assert!(assumed.assumed_role_id().starts_with("AROA") && assumed.assumed_role_id().ends_with(":from-a-test"));
    let missing = sts(&sandbox, &alice).assume_role().role_arn(format!("{role}x")).role_session_name("ab").send().await;
    assert_eq!(refusal(missing), error(403, "AccessDenied"), "a role that is not there is denied like any other");
}

#[tokio::test]
async fn assume_role_honours_the_external_id() {
    let (sandbox, admin) = start().await;
    let conditions = json!({ "StringEquals": { "sts:ExternalId": "agreed" } });
    let document = trust(ACCOUNT, conditions);
    let role = change(&sandbox, move |world| world.create_role(ACCOUNT, "deployer", &document)).await;
    for (external_id, allowed) in [(None, false), (Some("guessed"), false), (Some("agreed"), true)] {
        let answer = sts(&sandbox, &admin)
            .assume_role()
            .role_arn(&role)
            .role_session_name("from-a-test")
            .set_external_id(external_id.map(str::to_owned))
            .send()
            .await;
        match answer {
            Ok(_) => assert!(allowed, "{external_id:?}"),
            Err(_) => assert_eq!((refusal(answer), allowed), (error(403, "AccessDenied"), false), "{external_id:?}"),
        }
    }
}

#[tokio::test]
async fn sessions_expire_on_the_virtual_clock() {
    let (sandbox, admin) = start().await;
    let document = trust(ACCOUNT, json!({}));
    let role = change(&sandbox, move |world| world.create_role(ACCOUNT, "deployer", &document)).await;
    let assume = sts(&sandbox, &admin).assume_role().role_arn(&role).role_session_name("from-a-test");
    let answer = assume.clone().duration_seconds(900).send().await.unwrap();
    let now = sandbox.visit(|world| world.now()).await;
    assert_eq!(answer.credentials().unwrap().expiration().secs(), now.as_second() + 900);
    let session = session(&answer);
    let client = sts(&sandbox, &session);
    sandbox.advance(Duration::from_secs(890)).await;
    client.get_caller_identity().send().await.unwrap();
    sandbox.advance(Duration::from_secs(10)).await;
    let expired = client.get_caller_identity().send().await;
    assert_eq!(refusal(expired), error(403, "ExpiredToken"));
    let expired = aws_sdk_secretsmanager::Client::new(&signed_by(&sandbox, &session));
    let expired = expired.describe_secret().secret_id("any").send().await;
    assert_eq!(refusal(expired), error(400, "ExpiredTokenException"));
    for seconds in [899, 3601] {
        let refused = assume.clone().duration_seconds(seconds).send().await;
        assert_eq!(refusal(refused), error(400, "ValidationError"), "{seconds}");
    }
}

#[tokio::test]
async fn a_session_needs_its_token() {
    let (sandbox, admin) = start().await;
    let document = trust(ACCOUNT, json!({}));
    let role = change(&sandbox, move |world| world.create_role(ACCOUNT, "deployer", &document)).await;
    let answer = sts(&sandbox, &admin).assume_role().role_arn(role).role_session_name("from-a-test").send().await;
    let session = session(&answer.unwrap());
    for token in [None, Some("another".to_owned())] {
        let without = Credentials { session_token: token, ..session.clone() };
        let refused = sts(&sandbox, &without).get_caller_identity().send().await;
        assert_eq!(refusal(refused), error(403, "InvalidClientTokenId"));
    }
}

#[tokio::test]
async fn an_unknown_parameter_is_named_and_nothing_happens() {
    let (sandbox, admin) = start().await;
    let document = trust(ACCOUNT, json!({}));
    let role = change(&sandbox, move |world| world.create_role(ACCOUNT, "deployer", &document)).await;
    let assume = sts(&sandbox, &admin).assume_role().role_arn(role).role_session_name("from-a-test");
    let refused = assume.source_identity("somebody").send().await.expect_err("refused");
    let (code, message) = (refused.code().unwrap_or_default(), refused.message().unwrap_or_default());
    assert!(code == "SandboxUnsupported" && message.contains("`SourceIdentity`"), "{code} {message}");
    let refused = iam(&sandbox, &admin).list_groups().send().await.expect_err("refused");
    let (code, message) = (refused.code().unwrap_or_default(), refused.message().unwrap_or_default());
    assert!(code == "SandboxUnsupported" && message.contains("`ListGroups`"), "{code} {message}");
}

/// A page in a browser may have a name of its own lead to this machine.
#[tokio::test]
async fn only_who_asks_for_this_machine_is_answered() {
    let (sandbox, _) = start().await;
    let address = sandbox.endpoint().strip_prefix("http://").unwrap().to_owned();
    let port = address.split(':').next_back().unwrap();
    let ask = async |host: &str| {
        let mut connection = TcpStream::connect(&address).await.unwrap();
        let request = format!("POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    for own in [address.clone(), format!("localhost:{port}")] {
        assert_eq!(ask(&own).await, "403", "{own}: nobody has signed it");
    }
    for other in [format!("evil.example:{port}"), format!("127.0.0.1.evil.example:{port}"), String::new()] {
        assert_eq!(ask(&other).await, "421", "{other}");
    }
}
