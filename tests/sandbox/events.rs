//! Contracts of EventBridge: rules as resources of a stack, and when and how they call a function.

mod buses;

use std::time::Duration;

use aws_sdk_cloudformation::types::ChangeSetType;
use sandbox::{Outcome, RuleView};
use serde_json::{Value, json};

use crate::cell::{Cell, template};
use crate::clients::{ACCOUNT, REGION};
use crate::identity::{change, error, refusal};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The principal that calls the function.
const EVENTS: &str = "events.amazonaws.com";

/// The least that a function can do; what it takes is the sandbox's own time.
const TRIVIAL: &str = r#"#!/bin/bash
open() { exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}"; }
send() {
    local request="$1 /2018-06-01/runtime/invocation/$2 HTTP/1.1"
    printf '%s\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' "$request" "${#3}" "$3" >&3
}
while open && send GET next ''; do
    while IFS= read -r line <&3 && line=${line%$'\r'} && [[ $line ]]; do
        [[ ${line,,} == lambda-runtime-aws-request-id:* ]] && id=${line#*: }
    done
    IFS= read -r event <&3
    echo "event $event"
    open && send POST "$id/response" '{}' && cat <&3 >/dev/null
done
"#;

fn rule_arn(name: &str) -> String {
    format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{name}")
}

/// The template of a cell with an hourly rule that sends `input`, and the permission for it.
fn with_rule(input: &Value) -> Value {
    let mut template = template();
    template["Resources"]["Rule"] = json!({
        "Type": "AWS::Events::Rule",
        "Properties": {
            "Name": "sweep",
            "Description": "hourly",
            "ScheduleExpression": "rate(1 hour)",
            "State": "ENABLED",
            "Targets": [{
                "Id": "function",
                "Arn": { "Fn::GetAtt": ["Function", "Arn"] },
                "Input": input.to_string(),
                "RetryPolicy": { "MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600 },
            }],
        },
    });
    template["Resources"]["RulePermission"] = json!({
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": { "Fn::GetAtt": ["Function", "Arn"] },
            "Principal": EVENTS,
            "SourceAccount": { "Ref": "AWS::AccountId" },
            "SourceArn": { "Fn::GetAtt": ["Rule", "Arn"] },
        },
    });
    template
}

async fn deployed(template: Value) -> Cell {
    let cell = Cell::prepared().await;
    assert_eq!(cell.deploy(ChangeSetType::Create, template).await, "CREATE_COMPLETE");
    cell
}

async fn update(cell: &Cell, template: Value) {
    assert_eq!(cell.deploy(ChangeSetType::Update, template).await, "UPDATE_COMPLETE");
}

/// What the function was given so far, oldest first; it writes every event that it has no other use for.
async fn events(cell: &Cell) -> Vec<Value> {
    let log = cell.log().await;
    let events = log.lines().filter_map(|line| line.strip_prefix("event "));
    events.map(|event| serde_json::from_str(event).unwrap()).collect()
}

async fn rules(cell: &Cell) -> Vec<RuleView> {
    cell.sandbox.visit(|world| world.rules(ACCOUNT, REGION)).await
}

/// Why the stack cannot be made with this property of the rule.
async fn refused(property: &str, value: Value) -> String {
    let cell = Cell::prepared().await;
    let mut template = with_rule(&json!({}));
    template["Resources"]["Rule"]["Properties"][property] = value;
    assert_eq!(cell.deploy(ChangeSetType::Create, template).await, "ROLLBACK_COMPLETE");
    cell.failure().await
}

#[tokio::test]
async fn a_rule_fires_on_the_virtual_clock_an_interval_after_its_creation_and_then_regularly() {
    let cell = deployed(with_rule(&json!({ "sweep": "all" }))).await;
    let first = rules(&cell).await[0].next.unwrap();
    cell.sandbox.advance(HOUR - MINUTE).await;
    assert_eq!(events(&cell).await.len(), 0);
    cell.sandbox.advance(MINUTE).await;
    assert_eq!(events(&cell).await, [json!({ "sweep": "all" })]);
    cell.sandbox.advance(DAY).await;
    assert_eq!(events(&cell).await.len(), 25);
    let calls = cell.sandbox.visit(|world| world.calls().to_vec()).await;
    let fired: Vec<_> = calls.iter().filter(|call| call.principal == EVENTS).collect();
    assert!(fired.iter().all(|call| call.operation == "lambda:Invoke" && call.outcome == Outcome::Done));
    let late = |index: u32| fired[index as usize].at.duration_since(first + HOUR * index).as_millis();
    assert_eq!([late(0), late(24)], [0, 0]);
}

#[tokio::test]
async fn a_rule_that_fires_late_keeps_its_schedule() {
    let mut template = with_rule(&json!({}));
    template["Resources"]["Rule"]["Properties"]["ScheduleExpression"] = "rate(1 minute)".into();
    let cell = deployed(template).await;
    let first = rules(&cell).await[0].next.unwrap();
    cell.sandbox.visit(|world| world.limit_calls("iam:", 0.0, 0)).await;
    let now = async || cell.sandbox.visit(|world| world.now()).await;
    while now().await <= first {
        // A second passes with each.
        let refused = aws_sdk_iam::Client::new(&cell.config).list_users().send().await;
        assert_eq!(refusal(refused), error(400, "Throttling"));
    }
    cell.sandbox.settle().await;
    assert_eq!(events(&cell).await.len(), 1);
    assert_eq!(rules(&cell).await[0].next, Some(first + MINUTE));
}

#[tokio::test]
async fn a_target_without_input_gets_the_event() {
    let mut template = with_rule(&json!({}));
    template["Resources"]["Rule"]["Properties"]["Targets"][0].as_object_mut().unwrap().remove("Input");
    let cell = deployed(template).await;
    cell.sandbox.advance(HOUR).await;
    let event = &events(&cell).await[0];
    assert_eq!(event["detail-type"], "Scheduled Event");
    assert_eq!(event["resources"], json!([rule_arn("sweep")]));
    assert_eq!((&event["account"], &event["region"]), (&json!(ACCOUNT), &json!(REGION)));
}

#[tokio::test]
async fn the_policy_of_the_function_decides_whether_a_rule_gets_in() {
    let cell = deployed(with_rule(&json!({}))).await;
    let other = |property: &str, value: &str| {
        let mut template = with_rule(&json!({}));
        template["Resources"]["RulePermission"]["Properties"][property] = value.into();
        template
    };
    let mut none = with_rule(&json!({}));
    none["Resources"].as_object_mut().unwrap().remove("RulePermission");
    let shut = [
        none,
        other("SourceArn", &rule_arn("other")),
        other("SourceAccount", "444455556666"),
        other("Principal", "secretsmanager.amazonaws.com"),
        other("Action", "lambda:GetFunction"),
    ];
    for template in shut {
        update(&cell, template.clone()).await;
        cell.sandbox.visit(|world| world.fire_rules()).await;
        cell.sandbox.settle().await;
        let last = cell.sandbox.visit(|world| world.calls().last().cloned()).await.unwrap();
        let refused = Outcome::Refused("AccessDeniedException".into());
        let permission = &template["Resources"]["RulePermission"];
        assert_eq!((last.principal.as_str(), last.outcome), (EVENTS, refused), "{permission}");
    }
    assert_eq!(events(&cell).await.len(), 0);
    update(&cell, other("SourceArn", &rule_arn("sw*"))).await;
    cell.sandbox.visit(|world| world.fire_rules()).await;
    cell.sandbox.settle().await;
    assert_eq!(events(&cell).await.len(), 1);
}

#[tokio::test]
async fn an_event_that_fails_is_tried_again_after_one_and_after_two_minutes() {
    let cell = deployed(with_rule(&json!({ "do": "fail" }))).await;
    let discarded = async || {
        let calls = cell.calls("lambda.amazonaws.com").await;
        calls.iter().filter(|call| *call == "lambda:EventDiscarded").count()
    };
    let attempts = async || {
        let log = cell.log().await;
        let starts: Vec<String> = log.lines().filter(|line| line.starts_with("START ")).map(str::to_owned).collect();
        assert!(starts.windows(2).all(|pair| pair[0] == pair[1]), "one request id: {starts:?}");
        starts.len()
    };
    cell.sandbox.visit(|world| world.pause_rules(true)).await;
    cell.sandbox.visit(|world| world.fire_rules()).await;
    cell.sandbox.settle().await;
    assert_eq!((attempts().await, discarded().await), (1, 0));
    cell.sandbox.advance(MINUTE).await;
    assert_eq!((attempts().await, discarded().await), (2, 0));
    cell.sandbox.advance(MINUTE).await;
    assert_eq!((attempts().await, discarded().await), (2, 0));
    cell.sandbox.advance(MINUTE).await;
    assert_eq!((attempts().await, discarded().await), (3, 1));
    cell.sandbox.advance(DAY).await;
    assert_eq!((attempts().await, discarded().await), (3, 1));
}

#[tokio::test]
async fn rules_are_switched_off_and_on_and_fired_by_hand() {
    let cell = deployed(with_rule(&json!({}))).await;
    let next = rules(&cell).await[0].next.unwrap();
    cell.sandbox.visit(|world| world.pause_rules(true)).await;
    cell.sandbox.advance(3 * HOUR).await;
    assert_eq!(events(&cell).await.len(), 0);
    assert_eq!(rules(&cell).await[0].next, Some(next + 3 * HOUR), "the schedule goes on");
    cell.sandbox.visit(|world| world.fire_rules()).await;
    cell.sandbox.settle().await;
    assert_eq!(events(&cell).await.len(), 1);
    cell.sandbox.visit(|world| world.pause_rules(false)).await;
    cell.sandbox.settle().await;
    assert_eq!(events(&cell).await.len(), 1, "nothing is made up for");
    cell.sandbox.advance(HOUR).await;
    assert_eq!(events(&cell).await.len(), 2);
}

#[tokio::test]
async fn a_rule_changes_in_place_and_begins_its_schedule_anew() {
    let cell = deployed(with_rule(&json!({}))).await;
    let changed = |property: &str, value: Value| {
        let mut template = with_rule(&json!({}));
        template["Resources"]["Rule"]["Properties"][property] = value;
        template
    };
    cell.sandbox.advance(50 * MINUTE).await;
    update(&cell, changed("ScheduleExpression", json!("rate(30 minutes)"))).await;
    cell.sandbox.advance(29 * MINUTE).await;
    assert_eq!(events(&cell).await.len(), 0);
    cell.sandbox.advance(MINUTE).await;
    assert_eq!(events(&cell).await.len(), 1);

    update(&cell, changed("State", json!("DISABLED"))).await;
    cell.sandbox.visit(|world| world.fire_rules()).await;
    cell.sandbox.advance(DAY).await;
    assert_eq!(events(&cell).await.len(), 1);
    let rule = rules(&cell).await.remove(0);
    assert_eq!((rule.name.as_str(), rule.description.as_deref(), rule.next), ("sweep", Some("hourly"), None));

    update(&cell, changed("Name", json!("clean"))).await;
    let names: Vec<_> = rules(&cell).await.into_iter().map(|rule| rule.name).collect();
    assert_eq!(names, ["clean"], "another name is another rule");
    cell.sandbox.advance(HOUR).await;
    assert_eq!(events(&cell).await.len(), 2, "and the permission follows its ARN");
}

#[tokio::test]
async fn ref_of_a_rule_is_its_name_and_nothing_is_left_of_it_with_the_stack() {
    let mut template = with_rule(&json!({}));
    template["Resources"]["Rule"]["Properties"].as_object_mut().unwrap().remove("Name");
    template["Outputs"] = json!({
        "Name": { "Value": { "Ref": "Rule" } },
        "Arn": { "Value": { "Fn::GetAtt": ["Rule", "Arn"] } },
    });
    let cell = deployed(template).await;
    let client = cell.cloudformation();
    let stack = client.describe_stacks().stack_name("cell").send().await.unwrap().stacks.unwrap().remove(0);
    let outputs = stack.outputs.unwrap();
    let output = |key: &str| outputs.iter().find(|output| output.output_key() == Some(key)).unwrap().output_value();
    let name = rules(&cell).await.remove(0).name;
    assert!(name.starts_with("cell-Rule-"), "{name}");
    assert_eq!(output("Name"), Some(name.as_str()));
    assert_eq!(output("Arn"), Some(rule_arn(&name).as_str()));
    let inventory = async || cell.sandbox.visit(|world| world.inventory(ACCOUNT)).await;
    assert!(inventory().await.contains(&format!("rule {}", rule_arn(&name))), "{:?}", inventory().await);

    client.delete_stack().stack_name("cell").send().await.unwrap();
    cell.sandbox.settle().await;
    assert_eq!(inventory().await, ["bucket artifacts"]);
    let calls = cell.calls(EVENTS).await.len();
    cell.sandbox.advance(DAY).await;
    assert_eq!(cell.calls(EVENTS).await.len(), calls);
}

#[tokio::test]
async fn a_rule_needs_the_permissions_of_its_calls() {
    let cell = deployed(with_rule(&json!({}))).await;
    let mut changed = with_rule(&json!({ "changed": true }));
    changed["Resources"]["Rule"]["Properties"]["Targets"][0]["Id"] = "another".into();
    update(&cell, changed).await;
    cell.cloudformation().delete_stack().stack_name("cell").send().await.unwrap();
    cell.sandbox.settle().await;
    let calls = cell.sandbox.visit(|world| world.calls().to_vec()).await;
    let of_rule = |on: &str| {
        let call =
            calls.iter().find(|call| call.operation == format!("cloudformation:{on} AWS::Events::Rule")).unwrap();
        assert!(call.checks.iter().all(|check| check.resource == rule_arn("sweep")), "{call:?}");
        call.checks.iter().map(|check| check.action.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of_rule("Create"), ["events:PutRule", "events:TagResource", "events:PutTargets"]);
    assert_eq!(of_rule("Update"), ["events:PutRule", "events:PutTargets", "events:RemoveTargets"]);
    assert_eq!(of_rule("Delete"), ["events:RemoveTargets", "events:DeleteRule"]);
}

#[tokio::test]
async fn a_rule_is_refused_where_a_permission_is_missing() {
    for action in ["events:PutRule", "events:TagResource", "events:PutTargets"] {
        let cell = Cell::prepared().await;
        let deny = json!({
            "Version": "2012-10-17",
            "Statement": { "Effect": "Deny", "Action": action, "Resource": "*" },
        });
        let put = move |world: &mut sandbox::World| {
            world.put_user_policy(ACCOUNT, "administrator", "deny", &deny.to_string())
        };
        change(&cell.sandbox, put).await;
        assert_eq!(cell.deploy(ChangeSetType::Create, with_rule(&json!({}))).await, "ROLLBACK_COMPLETE");
        let reason = cell.failure().await;
        assert!(reason.contains(action) && reason.contains("explicit deny"), "{reason}");
        assert_eq!(rules(&cell).await, []);
    }
}

#[tokio::test]
async fn what_aws_or_the_sandbox_does_not_know_is_refused() {
    let arn = json!({ "Fn::GetAtt": ["Function", "Arn"] });
    let target = |more: Value| {
        let mut target = json!({ "Id": "function", "Arn": arn });
        target.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([target])
    };
    let table = [
        ("ScheduleExpression", json!("rate(1 hours)"), "Parameter ScheduleExpression is not valid"),
        ("ScheduleExpression", json!("cron(0 8 * * ? *)"), "schedule expression `cron(0 8 * * ? *)`"),
        ("State", json!("ON"), "`ON`"),
        ("Name", json!("a b"), "`a b` is not a rule name"),
        ("Description", json!("d".repeat(513)), "more than 512 characters"),
        ("Targets", target(json!({ "Input": "{" })), "JSON syntax error in input for target function"),
        ("Targets", target(json!({ "InputPath": "$" })), "`InputPath`"),
        ("Targets", target(json!({ "Arn": "arn:aws:sqs:eu-central-1:111122223333:q" })), "rule target"),
        ("Targets", target(json!({ "RetryPolicy": { "MaximumRetryAttempts": 186 } })), "it is 0 to 185"),
        ("Targets", target(json!({ "RetryPolicy": { "MaximumEventAgeInSeconds": 59 } })), "it is 60 to 86400"),
        ("Targets", json!([{ "Id": "a", "Arn": arn }, { "Id": "a", "Arn": arn }]), "same Id"),
    ];
    for (property, value, expected) in table {
        let reason = refused(property, value).await;
        assert!(reason.contains(expected), "{property}: {reason}");
    }
}

#[tokio::test]
async fn a_month_of_hourly_firing_is_quick() {
    let cell = Cell::prepared().await;
    cell.upload("code.zip", TRIVIAL).await;
    assert_eq!(cell.deploy(ChangeSetType::Create, with_rule(&json!({ "sweep": "all" }))).await, "CREATE_COMPLETE");
    let begun = std::time::Instant::now();
    cell.sandbox.advance(30 * DAY).await;
    println!("30 days of hourly firing took {:?}", begun.elapsed());
    assert_eq!(events(&cell).await, vec![json!({ "sweep": "all" }); 30 * 24]);
    assert_eq!(cell.calls(EVENTS).await.len(), 30 * 24);
}
