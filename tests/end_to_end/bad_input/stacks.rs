//! Stacks that are busy, broken or half made.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_cloudformation::types::{Capability, ChangeSetType, OnStackFailure};
use sandbox::{Options, StackAction, World};

use super::{LEFT, what_is_left};
use crate::bootstrap::current_keys;
use crate::stage::{ACCOUNT, REGION, Stage, function, settings};
use crate::strikes::{STRIKES, Strike, Written, all};

const MINUTE: Duration = Duration::from_secs(60);

/// Somebody else's idea of a stack named `keyturn`.
const OTHER: &str = "
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement: { Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: sts:AssumeRole }
";

const PLAIN: &str = "version: 1\nregion: eu-central-1\nusers: [alice]\n";
const LARGER: &str = "version: 1\nregion: eu-central-1\nusers: [alice]\nfunction: { memory: 256 }\n";

impl Stage {
    fn cloudformation(&self) -> aws_sdk_cloudformation::Client {
        aws_sdk_cloudformation::Client::new(&self.config())
    }

    /// Makes a change set that creates the stack `keyturn` in another way than we would.
    async fn draft(&self) {
        let order = self.cloudformation().create_change_set().stack_name("keyturn").change_set_name("by-hand");
        let order = order.change_set_type(ChangeSetType::Create).template_body(OTHER);
        let order = order.on_stack_failure(OnStackFailure::Rollback);
        order.capabilities(Capability::CapabilityIam).send().await.unwrap();
    }

    async fn execute(&self) {
        let order = self.cloudformation().execute_change_set().stack_name("keyturn").change_set_name("by-hand");
        order.send().await.unwrap();
    }

    async fn fail(&self, logical_id: &'static str, on: StackAction, reason: &'static str) {
        self.sandbox.visit(move |world| world.fail_resource("keyturn", logical_id, on, reason)).await;
    }

    async fn stack_status(&self) -> Option<String> {
        let stacks = self.sandbox.visit(|world| world.stacks()).await;
        let of_users = stacks.into_iter().rev().find(|stack| stack.name == "keyturn");
        of_users.map(|stack| stack.status)
    }

    async fn bootstrapped() -> Self {
        let stage = Self::with_users(&["alice"]).await;
        stage.configure(PLAIN);
        let run = stage.bootstrap(&[]).await;
        assert_eq!(run.code, 0, "{run}");
        stage
    }
}

#[tokio::test]
async fn a_busy_stack_is_waited_for() {
    // Work on stacks waits for the clock to be moved.
    let stage = Stage::with_options(&["alice"], Options { pace: 1e6, ..Options::default() }).await;
    stage.draft().await;
    stage.sandbox.advance(MINUTE).await;
    stage.execute().await;
    assert_eq!(stage.stack_status().await.as_deref(), Some("CREATE_IN_PROGRESS"));
    stage.take_writes().await;
    let operator = async {
        // The fourth time it is asked for a stack: it has looked for all three, and waits for the one.
        while stage.sandbox.visit(|world| count(world, "cloudformation:DescribeStacks")).await < 4 {
            tokio::task::yield_now().await;
        }
        stage.sandbox.advance(MINUTE).await;
    };
    let arguments = ["--region", REGION, "plan", "alice", "--artifact", function().to_str().unwrap()];
    let (run, ()) = tokio::join!(stage.keyturn(&arguments), operator);
    settings().bind(|| insta::assert_snapshot!(run));
    // The other one's resource, and nothing of ours.
    assert_eq!((run.code, stage.take_writes().await), (0, vec!["cloudformation:Create AWS::IAM::Role".to_owned()]));
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn whoever_does_not_wait_for_a_busy_stack_has_changed_nothing() {
    let stage = Stage::with_options(&["alice"], Options { pace: 1e6, ..Options::default() }).await;
    stage.draft().await;
    stage.sandbox.advance(MINUTE).await;
    stage.execute().await;
    stage.take_writes().await;
    let process = AtomicU32::new(0);
    let operator = async {
        while stage.sandbox.visit(|world| count(world, "cloudformation:DescribeStacks")).await < 4 {
            tokio::task::yield_now().await;
        }
        let process = process.load(Ordering::SeqCst).to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &process]).status().unwrap().success());
    };
    let arguments = ["--region", REGION, "--yes", "bootstrap", "alice", "--artifact", function().to_str().unwrap()];
    let (run, ()) = tokio::join!(stage.keyturn_noted(&process, &arguments), operator);
    assert_eq!((run.code, stage.take_writes().await), (6, vec![]), "{run}");
    assert!(run.stderr.contains("interrupted"), "{run}");
    stage.assert_no_secret_left_behind().await;
}

fn count(world: &World, operation: &str) -> usize {
    world.calls().iter().filter(|call| call.operation == operation).count()
}

#[tokio::test]
async fn a_stack_whose_creation_was_rolled_back_is_made_anew() {
    let stage = Stage::with_users(&["alice"]).await;
    stage.draft().await;
    stage.fail("Role", StackAction::Create, "a quota was reached").await;
    stage.execute().await;
    assert_eq!(stage.stack_status().await.as_deref(), Some("ROLLBACK_COMPLETE"));
    let run = stage.bootstrap(&["alice"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!((run.code, stage.stack_status().await.as_deref()), (0, Some("CREATE_COMPLETE")));
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_stack_that_was_only_drafted_is_made_anew() {
    let stage = Stage::with_users(&["alice"]).await;
    stage.draft().await;
    assert_eq!(stage.stack_status().await.as_deref(), Some("REVIEW_IN_PROGRESS"));
    let run = stage.bootstrap(&["alice"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!((run.code, stage.stack_status().await.as_deref()), (0, Some("CREATE_COMPLETE")));
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn an_update_that_cannot_be_rolled_back_needs_a_person() {
    let stage = Stage::bootstrapped().await;
    stage.configure(LARGER);
    stage.fail("Function", StackAction::Update, "the memory is too large").await;
    stage.fail("Function", StackAction::Update, "the function is being changed by somebody else").await;
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("an_update_that_cannot_be_rolled_back", run));
    let status = stage.stack_status().await;
    assert_eq!((run.code, status.as_deref()), (4, Some("UPDATE_ROLLBACK_FAILED")));
    stage.take_writes().await;
    let artifact = function().to_str().unwrap();
    let run = stage.keyturn(&["plan", "--artifact", artifact]).await;
    settings().bind(|| insta::assert_snapshot!("a_plan_for_a_stack_that_is_stuck", run));
    let run = stage.keyturn(&["bootstrap", "--artifact", artifact]).await;
    settings().bind(|| insta::assert_snapshot!("a_stack_that_is_stuck", run));
    assert_eq!((run.code, stage.take_writes().await), (64, vec![]));
    // It is not mended: the rollback stops again, and is gone on with the next time.
    stage.fail("Function", StackAction::Update, "still not").await;
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("a_rollback_that_fails_again", run));
    assert_eq!(run.code, 4);
    let run = stage.bootstrap(&[]).await;
    assert_eq!((run.code, stage.stack_status().await.as_deref()), (0, Some("UPDATE_COMPLETE")), "{run}");
    stage.assert_no_secret_left_behind().await;
}

/// A stack whose update has failed, and the rollback of it; both causes are mended.
async fn stuck() -> Stage {
    let stage = Stage::bootstrapped().await;
    stage.configure(LARGER);
    stage.fail("Function", StackAction::Update, "the memory is too large").await;
    stage.fail("Function", StackAction::Update, "the function is being changed by somebody else").await;
    assert_eq!(stage.bootstrap(&[]).await.code, 4);
    stage
}

/// One history: going on with the rollback is struck, and the next run is not.
async fn survives(strike: Strike) {
    let stage = stuck().await;
    let before = current_keys(&stage, &["alice"]).await;
    let goes_on = Written { operation: "cloudformation:ContinueUpdateRollback".to_owned(), after: 0 };
    let run = strike.run(&stage, &goes_on, &["bootstrap"]).await;
    stage.sandbox.settle().await;
    let again = stage.bootstrap(&[]).await;
    assert_eq!(again.code, 0, "{strike:?}: {run}\n{again}");
    assert_eq!(stage.stack_status().await.as_deref(), Some("UPDATE_COMPLETE"), "{strike:?}");
    assert_eq!(current_keys(&stage, &["alice"]).await, before, "{strike:?}");
    stage.take_writes().await;
    let nothing = stage.bootstrap(&[]).await;
    assert_eq!((nothing.code, stage.take_writes().await), (0, vec![]), "{strike:?}: {nothing}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_is_gone_on_with_and_struck_is_completed_by_the_next() {
    all(STRIKES.map(survives)).await;
}

#[tokio::test]
async fn a_stack_that_was_not_quite_deleted_needs_a_person() {
    let stage = Stage::bootstrapped().await;
    stage.fail("Function", StackAction::Delete, "the function has a reserved network interface").await;
    stage.cloudformation().delete_stack().stack_name("keyturn").send().await.unwrap();
    assert_eq!(stage.stack_status().await.as_deref(), Some("DELETE_FAILED"));
    stage.take_writes().await;
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("a_stack_that_was_not_quite_deleted", run));
    assert_eq!((run.code, stage.take_writes().await), (1, vec![]));
    stage.cloudformation().delete_stack().stack_name("keyturn").send().await.unwrap();
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!("a_stack_that_was_deleted_by_hand", run));
    assert_eq!(run.code, 0, "after what the message says: {run}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_resource_that_cannot_be_created_ends_in_nothing() {
    let stage = Stage::with_users(&["alice"]).await;
    stage.fail("Role", StackAction::Create, "Cannot exceed quota for RolesPerAccount: 1000").await;
    let run = stage.bootstrap(&["alice"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!(what_is_left(&stage).await, LEFT);
    let run = stage.bootstrap(&["alice"]).await;
    assert_eq!(run.code, 0, "the next run goes on: {run}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn a_resource_that_cannot_be_updated_is_as_it_was() {
    let stage = Stage::bootstrapped().await;
    stage.configure(LARGER);
    stage.fail("Function", StackAction::Update, "Memory limit exceeds the account's maximum").await;
    let run = stage.bootstrap(&[]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!((run.code, stage.stack_status().await.as_deref()), (4, Some("UPDATE_ROLLBACK_COMPLETE")));
    stage.configure(PLAIN);
    stage.take_writes().await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!((run.code, stage.take_writes().await), (0, vec![]), "it is as it was before: {run}");
    stage.assert_no_secret_left_behind().await;
}

#[tokio::test]
async fn the_stack_of_the_bucket_is_watched_too() {
    let stage = Stage::with_users(&["alice"]).await;
    stage
        .sandbox
        .visit(|world| world.fail_resource("keyturn-artifacts", "Bucket", StackAction::Create, "the name is taken"))
        .await;
    let run = stage.bootstrap(&["alice"]).await;
    settings().bind(|| insta::assert_snapshot!(run));
    assert_eq!((run.code, stage.sandbox.visit(|world| world.inventory(ACCOUNT)).await), (4, vec![]));
    stage.assert_no_secret_left_behind().await;
}
