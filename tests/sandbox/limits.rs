//! Contracts of throttling: what a limit on calls lets through, and how it refuses, in each protocol.

use std::time::Duration;

use aws_sdk_secretsmanager::Client as Secrets;
use aws_types::sdk_config::RetryConfig;
use sandbox::{Outcome, World};

use crate::clients::{ACCOUNT, REGION, s3};
use crate::identity::{OTHER_ACCOUNT, change, error, iam, refusal, signed_by, start, user};

#[tokio::test]
async fn a_limit_lets_a_burst_through_and_then_the_rate_of_the_virtual_clock() {
    let (sandbox, admin) = start().await;
    user(&sandbox, ACCOUNT, "alice").await;
    let iam = iam(&sandbox, &admin);
    let ask = || iam.list_access_keys().user_name("alice").send();
    sandbox.visit(|world| world.limit_calls("iam:", 0.5, 3)).await;
    for _ in 0..3 {
        ask().await.unwrap();
    }
    assert_eq!(refusal(ask().await), error(400, "Throttling"));
    assert_eq!(refusal(ask().await), error(400, "Throttling"), "a second has passed, and there is half a token");
    ask().await.expect("the callers have waited two seconds");
    assert_eq!(refusal(ask().await), error(400, "Throttling"));
    sandbox.advance(Duration::from_mins(1)).await;
    for _ in 0..3 {
        ask().await.unwrap();
    }
    assert_eq!(refusal(ask().await), error(400, "Throttling"), "no more than the burst is saved up");
    sandbox.visit(World::clear_limits).await;
    for _ in 0..10 {
        ask().await.unwrap();
    }
}

#[tokio::test]
async fn a_throttled_call_is_not_done_and_each_account_has_a_limit_of_its_own() {
    let (sandbox, admin) = start().await;
    user(&sandbox, ACCOUNT, "alice").await;
    let other = change(&sandbox, |world| world.create_account(OTHER_ACCOUNT)).await;
    sandbox.visit(|world| world.limit_calls("iam:CreateAccessKey", 0.001, 0)).await;
    let throttled = iam(&sandbox, &admin).create_access_key().user_name("alice").send().await;
    assert_eq!(refusal(throttled), error(400, "Throttling"));
    assert_eq!(sandbox.visit(|world| world.access_keys(ACCOUNT, "alice").len()).await, 1);
    let last = sandbox.visit(|world| world.calls().last().cloned()).await.unwrap();
    assert_eq!(last.outcome, Outcome::Refused("Throttling".into()));
    iam(&sandbox, &admin).list_access_keys().user_name("alice").send().await.expect("another operation");

    sandbox.visit(World::clear_limits).await;
    sandbox.visit(|world| world.limit_calls("iam:ListUsers", 0.001, 1)).await;
    iam(&sandbox, &admin).list_users().send().await.unwrap();
    assert_eq!(refusal(iam(&sandbox, &admin).list_users().send().await), error(400, "Throttling"));
    iam(&sandbox, &other).list_users().send().await.unwrap();
}

#[tokio::test]
async fn each_protocol_has_its_own_words_for_it() {
    let (sandbox, admin) = start().await;
    let config = signed_by(&sandbox, &admin);
    change(&sandbox, |world| world.create_bucket(ACCOUNT, REGION, "bucket")).await;
    sandbox.visit(|world| world.limit_calls("", 0.001, 0)).await;
    let secrets = Secrets::new(&config).list_secrets().send().await;
    assert_eq!(refusal(secrets), error(400, "ThrottlingException"));
    let caller = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await;
    assert_eq!(refusal(caller), error(400, "Throttling"));
    let function = aws_sdk_lambda::Client::new(&config).get_function().function_name("f").send().await;
    assert_eq!(refusal(function), error(429, "TooManyRequestsException"));
    let object = s3(&config).get_object().bucket("bucket").key("k").send().await;
    assert_eq!(refusal(object), error(503, "SlowDown"));
}

#[tokio::test]
async fn a_client_that_asks_again_gets_through() {
    let (sandbox, admin) = start().await;
    sandbox.visit(|world| world.limit_calls("iam:", 1.0, 1)).await;
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
    let config = signed_by(&sandbox, &admin).into_builder().retry_config(retries).build();
    let iam = aws_sdk_iam::Client::new(&config);
    for _ in 0..5 {
        iam.list_users().send().await.unwrap();
    }
    let refused = |call: &&sandbox::Call| call.outcome == Outcome::Refused("Throttling".into());
    assert_eq!(sandbox.visit(move |world| world.calls().iter().filter(refused).count()).await, 4);
}
