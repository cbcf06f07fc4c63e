//! A life with keyturn, by AWS's API alone: what is asserted here holds in the sandbox, in another emulator, and in AWS.
//!
//! The sandbox is lived in with every test run. Elsewhere it takes an account that is there to be thrown away:
//!
//! ```sh
//! KEYTURN_TEST_ACCOUNT=111122223333 AWS_REGION=eu-central-1 \
//!     cargo test --workspace --test second_opinion -- --ignored --nocapture
//! ```
//!
//! with credentials of an administrator where the AWS CLI would find them. It makes one IAM user, takes about ten minutes in
//! AWS, prints what came of each step, and takes away what it made, also after a failure. An emulator is lived in where
//! `KEYTURN_TEST_ENDPOINT` says, with what `deviations.yaml` says of the one that `KEYTURN_TEST_EMULATOR` names;
//! `.ci/second-opinion` does that with moto.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]

mod account;
mod deviations;
mod life;
#[path = "../end_to_end/stage.rs"]
#[allow(dead_code, reason = "the end-to-end tests need more of it")]
mod stage;

use sandbox::{Options, Sandbox};

use account::Account;
use deviations::Deviations;
use stage::{ACCOUNT, function};

#[tokio::test]
async fn in_the_sandbox() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let credentials = sandbox.visit(|world| {
        let administrator = world.create_account(ACCOUNT).unwrap();
        world.create_user(ACCOUNT, account::USER, "/").unwrap();
        administrator
    });
    let account = Account::of_sandbox(&sandbox, &credentials.await);
    let failed = life::live(&account, function(), Deviations::none()).await;
    assert_eq!(failed, [] as [String; 0]);
    sandbox.stop().await;
}

#[tokio::test]
#[ignore = "needs an account that is there to be thrown away: see the head of this file"]
async fn in_an_account_that_is_thrown_away() {
    let account = Account::of_environment().await;
    let emulator = std::env::var_os("KEYTURN_TEST_EMULATOR").and_then(|name| name.into_string().ok());
    let deviations = emulator.map_or_else(Deviations::none, |name| Deviations::of(&name));
    let failed = life::live(&account, function(), deviations).await;
    assert_eq!(failed, [] as [String; 0]);
}
