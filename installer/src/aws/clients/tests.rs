//! Clients of other accounts: whose credentials they use, and what they share.

use std::collections::BTreeMap;

use aws_smithy_types::retry::RetryConfig;
use jiff::Timestamp;
use sandbox::{ApiError, Options, Sandbox, World};

use super::Clients;
use crate::aws::roles::Assumption;
use crate::aws::{CallError, identity};
use crate::sandboxed::{ACCOUNT, Sandboxed};

/// As many as the largest installation may have.
const MANY: usize = 1000;

fn number(index: usize) -> String {
    format!("{:012}", 1000 + index)
}

fn assumption(account: &str) -> Assumption {
    Assumption {
        role_arn: format!("arn:aws:iam::{account}:role/OrganizationAccountAccessRole"),
        session_name: "keyturn".to_owned(),
        external_id: None,
        lasting: None,
        mfa: None,
        tags: BTreeMap::new(),
    }
}

/// The SDK compares the end of a session with the clock of this machine: that of the sandbox must not be behind.
const START: Timestamp = Timestamp::constant(4_102_444_800, 0);

/// A sandbox with an organization, in 2100.
async fn organized(accounts: usize) -> (Sandbox, Clients) {
    let options = Options { start: START, ..Options::default() };
    let Sandboxed { sandbox, session, .. } = Sandboxed::start(options, true).await;
    let build = move |world: &mut World| {
        let root = world.create_organization(ACCOUNT)?;
        for index in 0..accounts {
            world.create_member_account(&root, &number(index), "member")?;
            world.create_user(&number(index), "alice", "/")?;
        }
        Ok::<_, ApiError>(())
    };
    sandbox.visit(build).await.unwrap();
    (sandbox, session.clients)
}

async fn sessions_opened(sandbox: &Sandbox) -> usize {
    let opened = |world: &mut World| world.calls().iter().filter(|call| call.operation == "sts:AssumeRole").count();
    sandbox.visit(opened).await
}

#[tokio::test]
async fn the_services_of_an_account_share_one_session_and_renew_it() {
    let (sandbox, clients) = organized(1).await;
    let account = clients.of_account(assumption(&number(0)));
    let caller = identity::caller(&account).await.unwrap();
    assert_eq!(caller.account.as_str(), number(0));
    assert_eq!(caller.arn, format!("arn:aws:sts::{}:assumed-role/OrganizationAccountAccessRole/keyturn", number(0)));
    account.iam.list_users().send().await.unwrap();
    account.cloudformation.describe_stacks().send().await.unwrap();
    assert_eq!(sessions_opened(&sandbox).await, 1);
    assert!(account.clock.now().is_some());
    let of_home = clients.iam.list_users().send().await.unwrap();
    assert_eq!(of_home.users()[0].user_name(), "administrator", "the clients at home stay what they are");
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_is_told_with_its_name() {
    let (sandbox, clients) = organized(1).await;
    sandbox.visit(|world| world.delete_role(&number(0), "OrganizationAccountAccessRole")).await.unwrap();
    let account = clients.of_account(assumption(&number(0)));
    let error = identity::caller(&account).await.unwrap_err();
    let CallError::NoCredentials { cause, .. } = &error else { panic!("{error:?}") };
    assert!(cause.contains("OrganizationAccountAccessRole") && cause.contains("sts:AssumeRole"), "{cause}");
}

#[tokio::test]
async fn a_session_carries_its_tags_and_external_id() {
    let (sandbox, clients) = organized(1).await;
    // A tag of the session is a key of both, the external id only of the first.
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"AWS":"{ACCOUNT}"}},
              "Condition":{{"StringEquals":{{"sts:ExternalId":"agreed","aws:RequestTag/rollout":"7"}}}}}},
            {{"Effect":"Allow","Action":"sts:TagSession","Principal":{{"AWS":"{ACCOUNT}"}},
              "Condition":{{"StringEquals":{{"aws:RequestTag/rollout":"7"}}}}}}]}}"#
    );
    let role_arn = sandbox.visit(move |world| world.create_role(&number(0), "guarded", &trust)).await.unwrap();
    let tags = BTreeMap::from([("rollout".to_owned(), "7".to_owned())]);
    let external_id = Some("agreed".to_owned());
    let agreed = Assumption { role_arn, external_id, tags, ..assumption(&number(0)) };
    let caller = identity::caller(&clients.of_account(agreed.clone())).await.unwrap();
    assert!(caller.arn.ends_with(":assumed-role/guarded/keyturn"), "{}", caller.arn);
    for lacking in [Assumption { tags: BTreeMap::new(), ..agreed.clone() }, Assumption { external_id: None, ..agreed }]
    {
        identity::caller(&clients.of_account(lacking)).await.unwrap_err();
    }
}

#[tokio::test]
async fn throttling_in_one_account_does_not_slow_down_another() {
    let (sandbox, clients) = organized(2).await;
    let retry = RetryConfig::adaptive().with_max_attempts(1);
    let clients = Clients::over(&clients.config.to_builder().retry_config(retry).build());
    let [first, second] = [0, 1].map(|index| clients.of_account(assumption(&number(index))));
    for account in [&first, &second] {
        account.iam.list_users().send().await.unwrap();
    }
    sandbox.visit(|world| world.limit_calls("iam:", 0.001, 0)).await;
    first.iam.list_users().send().await.unwrap_err();
    sandbox.visit(World::clear_limits).await;
    let call = async |account: &Clients| {
        for _ in 0..6 {
            account.iam.list_users().send().await.unwrap();
        }
    };
    // Once throttled, the SDK begins again with a call every two seconds; the other account does not wait for that.
    tokio::select! {
        biased;
        () = call(&first) => panic!("the account that was throttled is done first"),
        () = call(&second) => {}
    }
}

/// The memory of this process that is in use, in KiB.
#[cfg(target_os = "linux")]
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "measures the whole process, so it must run alone"]
async fn a_thousand_accounts_fit_into_memory() {
    let (sandbox, clients) = organized(MANY).await;
    identity::caller(&clients).await.unwrap();
    let before = resident();
    let accounts: Vec<Clients> = (0..MANY).map(|index| clients.of_account(assumption(&number(index)))).collect();
    let made = resident();
    for account in &accounts {
        identity::caller(account).await.unwrap();
        account.iam.list_users().send().await.unwrap();
    }
    let used = resident();
    assert_eq!(sessions_opened(&sandbox).await, MANY);
    println!("1,000 accounts: {} KiB each, {} KiB each once used", (made - before) / 1000, (used - before) / 1000);
    assert!(used - before < 200 * 1024, "{} KiB", used - before);
}
