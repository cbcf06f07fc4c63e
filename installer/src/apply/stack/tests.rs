//! The engine against a sandbox: what it does to stacks, and what it leaves behind.

use std::collections::BTreeMap;

use sandbox::{ApiError, Fault, FaultEffect, Options, StackAction};

use super::*;
use crate::aws::change_sets::{self, Source};
use crate::sandboxed::Sandboxed;

/// A template with one role for each of the names and descriptions.
fn template(roles: &[(&str, &str)]) -> String {
    let trust = r#"{ Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: "sts:AssumeRole" }] }"#;
    let role = |(id, description): &(&str, &str)| {
        format!(
            "  {id}:\n    Type: AWS::IAM::Role\n    Properties: {{ Description: {description}, AssumeRolePolicyDocument: {trust} }}\n"
        )
    };
    format!("Resources:\n{}", roles.iter().map(role).collect::<String>())
}

fn deployment(action: Action, template: String, changes: &[(&str, Verb)]) -> Deployment {
    let change = |(id, change): &(&str, Verb)| ResourceChange {
        logical_id: (*id).to_owned(),
        kind: "AWS::IAM::Role".to_owned(),
        name: None,
        change: *change,
        properties: Vec::new(),
        replaces: false,
        broadens: false,
        drift: None,
        broadened: false,
    };
    Deployment {
        stack: "cell".to_owned(),
        action,
        reason: String::new(),
        express: false,
        changes: changes.iter().map(change).collect(),
        tags: BTreeMap::from([("team".to_owned(), "red".to_owned())]),
        template,
        template_key: None,
        makes_roles: true,
        joins: None,
    }
}

fn creation() -> Deployment {
    deployment(Action::Create, template(&[("A", "first")]), &[("A", Verb::Add)])
}

fn update() -> Deployment {
    deployment(Action::Update, template(&[("A", "second")]), &[("A", Verb::Modify)])
}

async fn start(yes: bool) -> Sandboxed {
    Sandboxed::start(Options::default(), yes).await
}

impl Sandboxed {
    async fn deploy(&self, deployment: &Deployment) -> Result<(), StackError> {
        // Every run has a seed of its own.
        let seed = self.sandbox.visit(|world| world.calls().len()).await as u64;
        deploy(&Session { seed, ..self.session.clone() }, &[deployment], "no-bucket").await
    }

    async fn await_status(&self, status: Status) {
        while stacks::describe(&self.session.clients, "cell").await.unwrap().is_none_or(|it| it.status != status) {
            tokio::task::yield_now().await;
        }
    }

    async fn has_stack(&self, status: &str) -> bool {
        self.stacks().await == [("cell".to_owned(), status.to_owned())]
    }
}

#[tokio::test]
async fn a_stack_is_created_and_updated() {
    let cloud = start(false).await;
    cloud.deploy(&creation()).await.unwrap();
    assert!(cloud.has_stack("CREATE_COMPLETE").await);
    cloud.deploy(&update()).await.unwrap();
    assert!(cloud.has_stack("UPDATE_COMPLETE").await);
    let tags = cloud.sandbox.visit(|world| world.stacks()[0].tags.clone()).await;
    assert_eq!(tags, [("team".to_owned(), "red".to_owned())]);
}

#[tokio::test]
async fn an_update_without_changes_leaves_the_stack_alone() {
    let cloud = start(false).await;
    cloud.deploy(&creation()).await.unwrap();
    let same = Deployment { action: Action::Update, changes: Vec::new(), ..creation() };
    cloud.deploy(&same).await.unwrap();
    assert!(cloud.has_stack("CREATE_COMPLETE").await);
}

#[tokio::test]
async fn a_creation_that_fails_leaves_nothing_and_names_the_cause() {
    let cloud = start(false).await;
    cloud.sandbox.visit(|world| world.fail_resource("cell", "A", StackAction::Create, "not today")).await;
    let error = cloud.deploy(&creation()).await.unwrap_err();
    let expected = "the stack `cell` was not created: A (AWS::IAM::Role): not today; nothing is left of it";
    assert_eq!(error.to_string(), expected);
    assert_eq!(cloud.stacks().await, []);
    cloud.deploy(&creation()).await.unwrap();
}

#[tokio::test]
async fn a_change_set_that_somebody_has_deleted_is_not_executed() {
    let cloud = start(false).await;
    cloud.deploy(&creation()).await.unwrap();
    for (code, message) in
        [("ChangeSetNotFound", "ChangeSet [it] does not exist"), ("ValidationError", "Stack [it] does not exist")]
    {
        let effect = FaultEffect::FailBefore(ApiError::new(code, message));
        let operation = Some("cloudformation:ExecuteChangeSet".to_owned());
        let fault = Fault { operation, principal: None, after: 0, effect };
        cloud.sandbox.visit(move |world| world.inject(fault)).await;
        let error = cloud.deploy(&update()).await.unwrap_err();
        let expected = "CloudFormation has no change set for the stack `cell`: somebody has deleted it, or the stack";
        assert_eq!(error.to_string(), expected);
    }
    assert!(cloud.has_stack("CREATE_COMPLETE").await);
}

#[tokio::test]
async fn an_update_that_fails_is_taken_back() {
    let cloud = start(false).await;
    cloud.deploy(&creation()).await.unwrap();
    cloud.sandbox.visit(|world| world.fail_resource("cell", "A", StackAction::Update, "not today")).await;
    let error = cloud.deploy(&update()).await.unwrap_err();
    let expected = "the stack `cell` was not updated: A (AWS::IAM::Role): not today; it is as it was before";
    assert_eq!(error.to_string(), expected);
    assert!(cloud.has_stack("UPDATE_ROLLBACK_COMPLETE").await);
    cloud.deploy(&update()).await.unwrap();
    assert!(cloud.has_stack("UPDATE_COMPLETE").await);
}

#[tokio::test]
async fn a_rollback_that_fails_says_how_to_go_on() {
    let cloud = start(false).await;
    cloud.deploy(&creation()).await.unwrap();
    let fail_twice = |world: &mut sandbox::World| {
        // The second order strikes the rollback.
        world.fail_resource("cell", "A", StackAction::Update, "not today");
        world.fail_resource("cell", "A", StackAction::Update, "nor tomorrow");
    };
    cloud.sandbox.visit(fail_twice).await;
    let both = deployment(
        Action::Update,
        template(&[("A", "second"), ("B", "new")]),
        &[("A", Verb::Modify), ("B", Verb::Add)],
    );
    let error = cloud.deploy(&both).await.unwrap_err();
    assert!(cloud.has_stack("UPDATE_ROLLBACK_FAILED").await, "{error}");
    assert_eq!(error.hint().unwrap(), "mend the cause, then `keyturn bootstrap` goes on with the rollback");
}

#[tokio::test]
async fn what_the_plan_did_not_say_is_not_done_unasked() {
    let unplanned = || deployment(Action::Create, template(&[("A", "first"), ("B", "more")]), &[("A", Verb::Add)]);
    for yes in [false, true] {
        let cloud = start(yes).await;
        let error = cloud.deploy(&unplanned()).await.unwrap_err();
        let expected = "CloudFormation would do more with the stack `cell` than the plan said: B (AWS::IAM::Role): CloudFormation says `Add`, the plan did not";
        assert_eq!(error.to_string(), expected);
        assert_eq!(cloud.stacks().await, [], "neither a change set nor an empty stack is left");
    }
}

#[tokio::test]
async fn an_update_that_is_declined_leaves_the_stack_as_it_was() {
    let cloud = start(false).await;
    cloud.deploy(&creation()).await.unwrap();
    let removal = deployment(Action::Update, template(&[("B", "other")]), &[("B", Verb::Add)]);
    let error = cloud.deploy(&removal).await.unwrap_err();
    assert!(matches!(error, StackError::Unplanned { .. }), "{error}");
    assert!(cloud.has_stack("CREATE_COMPLETE").await);
}

#[tokio::test]
async fn a_template_that_is_refused_leaves_nothing() {
    let cloud = start(false).await;
    let wrong = deployment(Action::Create, "Resources: { A: { Type: AWS::No::Such } }".to_owned(), &[("A", Verb::Add)]);
    cloud.deploy(&wrong).await.unwrap_err();
    assert_eq!(cloud.stacks().await, []);
}

#[tokio::test]
async fn a_stack_in_review_is_replaced() {
    let cloud = start(false).await;
    let text = template(&[("A", "first")]);
    let tags = BTreeMap::new();
    let template = Source::Body(&text);
    let order = Order {
        stack: "cell",
        name: "left-over",
        kind: Kind::Create,
        reverts_drift: false,
        express: false,
        keeps_failure: false,
        makes_roles: true,
        template,
        tags: &tags,
    };
    change_sets::create(&cloud.session.clients, &order).await.unwrap();
    let left = stacks::describe(&cloud.session.clients, "cell").await.unwrap().unwrap();
    assert_eq!(left.status, Status::ReviewInProgress);
    let action = Action::CreateAnew { id: left.id, status: left.status };
    cloud.deploy(&Deployment { action, ..creation() }).await.unwrap();
    assert!(cloud.has_stack("CREATE_COMPLETE").await);
}

#[tokio::test]
async fn a_stack_that_was_deployed_meanwhile_is_left_alone() {
    let cloud = start(false).await;
    cloud.deploy(&creation()).await.unwrap();
    let found = stacks::describe(&cloud.session.clients, "cell").await.unwrap().unwrap();
    // Whoever looked at it before saw a stack in review.
    let action = Action::CreateAnew { id: found.id, status: Status::ReviewInProgress };
    let error = cloud.deploy(&Deployment { action, ..creation() }).await.unwrap_err();
    assert_eq!(error.to_string(), "somebody else has deployed the stack `cell` meanwhile: it is CREATE_COMPLETE");
    assert!(cloud.has_stack("CREATE_COMPLETE").await);
}

#[tokio::test]
async fn a_change_set_that_cannot_be_executed_is_not_left_behind() {
    let cloud = start(false).await;
    let refused = FaultEffect::FailBefore(ApiError::new("AccessDenied", "not today"));
    let operation = Some("cloudformation:ExecuteChangeSet".to_owned());
    let fault = Fault { operation, principal: None, after: 0, effect: refused };
    cloud.sandbox.visit(|world| world.inject(fault)).await;
    cloud.deploy(&creation()).await.unwrap_err();
    assert_eq!(cloud.stacks().await, []);
}

#[tokio::test]
async fn a_busy_stack_is_waited_for() {
    // Work takes its time here, so that the stack is still being made when somebody else comes.
    let cloud = Sandboxed::start(Options { pace: 0.02, ..Options::default() }, false).await;
    let (creation, clients) = (creation(), &cloud.session.clients);
    let wait = async {
        cloud.await_status(Status::CreateInProgress).await;
        await_idle(&cloud.session, "cell").await.unwrap();
        stacks::describe(clients, "cell").await.unwrap().unwrap().status
    };
    let (deployed, seen) = tokio::join!(cloud.deploy(&creation), wait);
    deployed.unwrap();
    assert_eq!(seen, Status::CreateComplete);
}

#[tokio::test]
async fn a_stack_is_deleted() {
    let cloud = start(false).await;
    cloud.deploy(&creation()).await.unwrap();
    let stack = stacks::describe(&cloud.session.clients, "cell").await.unwrap().unwrap();
    let progress = cloud.session.printer.progress("deleting");
    delete(&cloud.session, &progress, "cell", &stack.id, false).await.unwrap();
    assert_eq!(cloud.stacks().await, []);
}

#[tokio::test]
async fn an_event_that_was_missed_does_not_keep_us_waiting() {
    let cloud = start(false).await;
    cloud.deploy(&creation()).await.unwrap();
    let id = stacks::describe(&cloud.session.clients, "cell").await.unwrap().unwrap().id;
    // Its last event is taken for one from before the operation.
    let after = stacks::newest_event(&cloud.session.clients, &id).await.unwrap();
    let followed = Followed { name: "cell", id: &id, operation: Operation::Create, after: after.as_deref() };
    let progress = cloud.session.printer.progress("following");
    let end = follow(&cloud.session, &progress, followed).await.unwrap();
    assert_eq!(end, End { status: Status::CreateComplete, cause: None, kept: Vec::new() });
}

#[tokio::test]
async fn ctrl_c_takes_a_creation_back_and_waits_for_its_end() {
    let cloud = Sandboxed::start(Options { pace: 0.02, ..Options::default() }, false).await;
    let creation = creation();
    let press = async {
        cloud.await_status(Status::CreateInProgress).await;
        cloud.presses.send(1).unwrap();
    };
    let (deployed, ()) = tokio::join!(cloud.deploy(&creation), press);
    let error = deployed.unwrap_err();
    assert_eq!(error.to_string(), "interrupted: the stack `cell` is DELETE_COMPLETE");
    assert_eq!(cloud.stacks().await, []);
}

#[tokio::test]
async fn ctrl_c_takes_an_update_back() {
    let cloud = Sandboxed::start(Options { pace: 0.02, ..Options::default() }, false).await;
    let (creation, update) = (creation(), update());
    cloud.deploy(&creation).await.unwrap();
    let press = async {
        cloud.await_status(Status::UpdateInProgress).await;
        cloud.presses.send(1).unwrap();
    };
    let (deployed, ()) = tokio::join!(cloud.deploy(&update), press);
    assert_eq!(deployed.unwrap_err().to_string(), "interrupted: the stack `cell` is UPDATE_ROLLBACK_COMPLETE");
}

#[tokio::test]
async fn a_second_ctrl_c_leaves_at_once() {
    // Nothing goes on here unless the clock is advanced.
    let cloud = Sandboxed::start(Options { pace: 1e6, ..Options::default() }, false).await;
    let (creation, update) = (creation(), update());
    let advance_until = async |status| {
        while !cloud.has_stack(status).await {
            cloud.sandbox.advance(Duration::from_secs(1)).await;
        }
    };
    let (created, ()) = tokio::join!(cloud.deploy(&creation), advance_until("CREATE_COMPLETE"));
    created.unwrap();
    let press = async {
        advance_until("UPDATE_IN_PROGRESS").await;
        cloud.presses.send(2).unwrap();
    };
    let (updated, ()) = tokio::join!(cloud.deploy(&update), press);
    let expected = "interrupted: CloudFormation goes on with the stack `cell` without us";
    assert_eq!(updated.unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn ctrl_c_before_anything_is_executed_leaves_nothing() {
    let cloud = Sandboxed::start(Options { pace: 0.02, ..Options::default() }, false).await;
    cloud.presses.send(1).unwrap();
    let error = cloud.deploy(&creation()).await.unwrap_err();
    assert!(matches!(error, StackError::Interrupted(_)), "{error}");
    assert_eq!(cloud.stacks().await, []);
}
