//! Contracts of CloudWatch and SNS: alarms, dashboards, topics and subscriptions as resources of a stack, and the metrics
//! that a function writes into its log.

use std::time::Duration;

use aws_sdk_cloudformation::types::ChangeSetType;
use sandbox::AlarmState;
use serde_json::{Value, json};

use crate::cell::{Cell, FUNCTION, template};
use crate::clients::{ACCOUNT, REGION};

const MINUTE: Duration = Duration::from_mins(1);

/// The least that a function can do, and a line for each event: the event itself.
const ECHO: &str = r#"#!/bin/bash
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
    echo "$event"
    open && send POST "$id/response" '{}' && cat <&3 >/dev/null
done
"#;

/// A cell with an alarm on a metric of the function's own, and a topic that somebody has subscribed to.
fn with_alarm(change: impl FnOnce(&mut Value)) -> Value {
    let mut template = template();
    let resources = &mut template["Resources"];
    resources["Topic"] = json!({ "Type": "AWS::SNS::Topic", "Properties": { "TopicName": "alerts" } });
    resources["Mail"] = json!({
        "Type": "AWS::SNS::Subscription",
        "Properties": { "Protocol": "email", "Endpoint": "team@example.org", "TopicArn": { "Ref": "Topic" } },
    });
    resources["TopicPolicy"] = json!({
        "Type": "AWS::SNS::TopicPolicy",
        "Properties": {
            "Topics": [{ "Ref": "Topic" }],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Effect": "Allow",
                    "Principal": { "Service": "cloudwatch.amazonaws.com" },
                    "Action": "sns:Publish",
                    "Resource": { "Ref": "Topic" },
                    "Condition": { "ArnLike": { "aws:SourceArn": "arn:aws:cloudwatch:*:*:alarm:orders" } },
                }],
            },
        },
    });
    resources["Alarm"] = json!({
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": "orders",
            "AlarmActions": [{ "Ref": "Topic" }],
            "Namespace": "shop",
            "MetricName": "Orders",
            "Dimensions": [{ "Name": "Stack", "Value": "cell" }],
            "Statistic": "Maximum",
            "Period": 300,
            "EvaluationPeriods": 2,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 2,
            "TreatMissingData": "notBreaching",
        },
    });
    resources["Dashboard"] = json!({
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {
            "DashboardName": "shop",
            "DashboardBody": {
                "Fn::Sub": r#"{"widgets":[{"type":"alarm","properties":{"alarms":["${Alarm.Arn}"]}}]}"#,
            },
        },
    });
    change(resources);
    template
}

/// A line in the embedded metric format.
fn orders(count: u32) -> Value {
    let metrics = json!([{ "Name": "Orders", "Unit": "Count" }]);
    let directive = json!({ "Namespace": "shop", "Dimensions": [["Stack"]], "Metrics": metrics });
    json!({
        "_aws": { "Timestamp": 1_767_225_600_000_u64, "CloudWatchMetrics": [directive] },
        "Stack": "cell",
        "Orders": count,
    })
}

async fn deployed() -> Cell {
    let cell = Cell::prepared().await;
    cell.upload("code.zip", ECHO).await;
    assert_eq!(cell.deploy(ChangeSetType::Create, with_alarm(|_| {})).await, "CREATE_COMPLETE");
    cell.sandbox.visit(|world| world.confirm_subscriptions()).await;
    cell
}

async fn log(cell: &Cell, line: &Value) {
    let payload = aws_sdk_lambda::primitives::Blob::new(line.to_string());
    cell.functions().invoke().function_name(FUNCTION).payload(payload).send().await.unwrap();
}

async fn state(cell: &Cell) -> AlarmState {
    cell.sandbox.visit(|world| world.alarms(ACCOUNT, REGION)[0].state).await
}

#[tokio::test]
async fn what_a_function_logs_sets_an_alarm_off_that_tells_who_has_confirmed() {
    let cell = deployed().await;
    for (count, expected) in [(1, AlarmState::Ok), (3, AlarmState::Ok), (3, AlarmState::Alarm), (2, AlarmState::Ok)] {
        log(&cell, &orders(count)).await;
        cell.sandbox.advance(5 * MINUTE).await;
        assert_eq!(state(&cell).await, expected, "after {count}");
    }
    let told = cell.sandbox.visit(|world| world.notifications(ACCOUNT, REGION)).await;
    assert_eq!(told.len(), 1, "OK has no action: {told:?}");
    assert_eq!(told[0].delivered, Ok(vec!["team@example.org".to_owned()]));
    let metrics = cell.sandbox.visit(|world| world.metrics(ACCOUNT, REGION)).await;
    let value = |name: &str| metrics.iter().find(|(_, metric, ..)| metric == name).map(|(.., value)| *value);
    assert_eq!((value("Orders"), value("Errors"), value("Invocations")), (Some(2.0), Some(0.0), Some(1.0)));
}

#[tokio::test]
async fn a_line_that_is_almost_a_metric_is_refused_in_the_call_log() {
    let cell = deployed().await;
    let mut line = orders(3);
    line["Orders"] = json!("3");
    log(&cell, &line).await;
    let refused = |world: &mut sandbox::World| {
        let calls = world.calls().iter().filter(|call| call.operation == "cloudwatch:PutMetricData");
        calls.map(|call| format!("{:?}", call.outcome)).collect::<Vec<_>>()
    };
    let refused = cell.sandbox.visit(refused).await;
    assert!(matches!(refused.as_slice(), [one] if one.contains("the metric Orders is no number")), "{refused:?}");
}

#[tokio::test]
async fn a_topic_admits_whom_its_policy_names() {
    let cell = deployed().await;
    let other = with_alarm(|resources| {
        let statement = &mut resources["TopicPolicy"]["Properties"]["PolicyDocument"]["Statement"][0];
        statement["Condition"]["ArnLike"]["aws:SourceArn"] = json!("arn:aws:cloudwatch:*:*:alarm:others-*");
    });
    assert_eq!(cell.deploy(ChangeSetType::Update, other).await, "UPDATE_COMPLETE");
    for _ in 0..2 {
        log(&cell, &orders(3)).await;
        cell.sandbox.advance(5 * MINUTE).await;
    }
    let told = cell.sandbox.visit(|world| world.notifications(ACCOUNT, REGION)).await;
    assert!(told[0].delivered.as_ref().unwrap_err().contains("not authorized to perform: SNS:Publish"), "{told:?}");
}

#[tokio::test]
async fn alarms_that_aws_refuses_and_what_the_sandbox_does_not_know_fail() {
    type Change = fn(&mut Value);
    let table: [(Change, &str); 9] = [
        (|alarm| alarm["Period"] = json!(45), "Period is not a multiple of 60"),
        (|alarm| alarm["EvaluationPeriods"] = json!(300), "EvaluationPeriods times Period is 90000 s"),
        (|alarm| alarm["DatapointsToAlarm"] = json!(3), "DatapointsToAlarm must not be more"),
        (|alarm| alarm["Statistic"] = json!("p99"), "p99"),
        (|alarm| alarm["TreatMissingData"] = json!("ignored"), "TreatMissingData is `ignored`"),
        (|alarm| alarm["AlarmActions"] = json!(["arn:aws:sns:us-east-1:111122223333:a"]), "us-east-1"),
        (|alarm| alarm["ComparisonOperator"] = json!("Above"), "Above"),
        (|alarm| alarm["AlarmDescription"] = json!("x".repeat(1025)), "1024 characters"),
        (|alarm| alarm["Dimensions"] = json!([{ "Name": "Stack", "Value": "cell", "Unit": "Count" }]), "Unit"),
    ];
    for (change, expected) in table {
        let cell = Cell::prepared().await;
        let wrong = with_alarm(|resources| change(&mut resources["Alarm"]["Properties"]));
        assert_eq!(cell.deploy(ChangeSetType::Create, wrong).await, "ROLLBACK_COMPLETE", "{expected}");
        let failure = cell.failure().await;
        assert!(failure.contains(expected), "{failure}");
    }
}

#[tokio::test]
async fn a_stack_takes_all_of_it_away() {
    let cell = deployed().await;
    let kinds = ["alarm ", "dashboard ", "topic ", "subscription "];
    let count = |items: &[String]| items.iter().filter(|item| kinds.iter().any(|kind| item.starts_with(kind))).count();
    assert_eq!(count(&cell.sandbox.visit(|world| world.inventory(ACCOUNT)).await), 4);
    cell.cloudformation().delete_stack().stack_name("cell").send().await.unwrap();
    cell.sandbox.settle().await;
    assert_eq!(count(&cell.sandbox.visit(|world| world.inventory(ACCOUNT)).await), 0);
}
