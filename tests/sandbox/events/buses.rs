//! Contracts of event buses: who may put events on them, what rules on them pass on, and to whom.

use std::time::Duration;

use aws_sdk_cloudformation::types::{Capability, ChangeSetType};
use sandbox::{Credentials, Outcome, Sandbox, World};
use serde_json::{Value, json};

use super::{EVENTS, HOUR};
use crate::cell::{Cell, SECRET, template};
use crate::clients::{ACCOUNT, REGION};
use crate::identity::{OTHER_ACCOUNT, change, session, signed_by, sts};
use crate::organizations::{MEMBER, ROLE, organized};

const BUS: &str = "arn:aws:events:eu-central-1:111122223333:event-bus/central";
const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:all";
const GROUP: &str = "/aws/events/central";

/// A bus that lets an organization in, or nobody else, with a log and a topic behind it.
fn central(organization: Option<&str>) -> Value {
    let group = json!({ "Fn::Sub": format!("arn:aws:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:{GROUP}") });
    let writers = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Principal": { "Service": [EVENTS, "delivery.logs.amazonaws.com"] },
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:*"),
        }],
    });
    let mut resources = json!({
        "Bus": { "Type": "AWS::Events::EventBus", "Properties": { "Name": "central" } },
        "Log": { "Type": "AWS::Logs::LogGroup", "Properties": { "LogGroupName": GROUP } },
        "LogPolicy": {
            "Type": "AWS::Logs::ResourcePolicy",
            "Properties": { "PolicyName": "central", "PolicyDocument": writers.to_string() },
        },
        "Everything": {
            "Type": "AWS::Events::Rule",
            "DependsOn": "Log",
            "Properties": {
                "Name": "everything", "EventBusName": { "Ref": "Bus" },
                "EventPattern": { "source": [{ "prefix": "" }] },
                "Targets": [{ "Id": "log", "Arn": group }],
            },
        },
        "Alarms": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": "alarms", "EventBusName": { "Ref": "Bus" },
                "EventPattern": {
                    "source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"],
                    "detail": { "state": { "value": ["ALARM"] } },
                },
                "Targets": [{
                    "Id": "topic", "Arn": { "Ref": "Topic" },
                    "InputTransformer": {
                        "InputPathsMap": { "alarm": "$.detail.alarmName", "account": "$.account" },
                        "InputTemplate": "\"<alarm> in <account>\"",
                    },
                }],
            },
        },
        "Topic": { "Type": "AWS::SNS::Topic", "Properties": { "TopicName": "all" } },
        "TopicPolicy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {
                "Topics": [{ "Ref": "Topic" }],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{
                        "Effect": "Allow", "Principal": { "Service": EVENTS }, "Action": "sns:Publish",
                        "Resource": { "Ref": "Topic" },
                    }],
                },
            },
        },
    });
    if let Some(organization) = organization {
        resources["BusPolicy"] = admission(organization);
    }
    resources
}

/// What lets an organization put events on the bus.
fn admission(organization: &str) -> Value {
    json!({
        "Type": "AWS::Events::EventBusPolicy",
        "Properties": {
            "EventBusName": { "Ref": "Bus" }, "StatementId": "organization",
            "Statement": {
                "Effect": "Allow", "Principal": "*", "Action": "events:PutEvents",
                "Resource": { "Fn::GetAtt": ["Bus", "Arn"] },
                "Condition": { "StringEquals": { "aws:PrincipalOrgID": organization } },
            },
        },
    })
}

/// A rule that puts what happens on the bus, and an alarm that goes off as soon as it is there.
fn forwarder() -> Value {
    json!({
        "ForwardRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{
                        "Effect": "Allow", "Principal": { "Service": EVENTS }, "Action": "sts:AssumeRole",
                    }],
                },
                "Policies": [{
                    "PolicyName": "forward",
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [{ "Effect": "Allow", "Action": "events:PutEvents", "Resource": BUS }],
                    },
                }],
            },
        },
        "Forward": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": "forward", "EventPattern": { "source": ["aws.cloudwatch", "aws.secretsmanager"] },
                "Targets": [{ "Id": "bus", "Arn": BUS, "RoleArn": { "Fn::GetAtt": ["ForwardRole", "Arn"] } }],
            },
        },
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "DependsOn": "Forward",
            "Properties": {
                "AlarmName": "silence", "Namespace": "shop", "MetricName": "Orders", "Statistic": "Sum", "Period": 3600,
                "EvaluationPeriods": 1, "ComparisonOperator": "LessThanThreshold", "Threshold": 1,
                "TreatMissingData": "breaching",
            },
        },
    })
}

fn with(mut template: Value, parts: &[Value]) -> Value {
    let resources = template["Resources"].as_object_mut().unwrap();
    parts.iter().for_each(|part| resources.extend(part.as_object().unwrap().clone()));
    template
}

fn only(parts: &[Value]) -> Value {
    with(json!({ "Resources": {} }), parts)
}

/// The events in the log, oldest first.
async fn logged(sandbox: &Sandbox) -> Vec<Value> {
    let text = sandbox.visit(|world| world.log(ACCOUNT, REGION, GROUP)).await;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every PutEvents so far: the account of who called, and the outcome.
async fn puts(sandbox: &Sandbox) -> Vec<(String, Outcome)> {
    let calls = sandbox.visit(|world| world.calls().to_vec()).await;
    let puts = calls.into_iter().filter(|call| call.operation == "events:PutEvents");
    puts.map(|call| (call.principal.split(':').nth(4).unwrap().to_owned(), call.outcome)).collect()
}

/// Deploys a stack with somebody's credentials, and gives its status.
async fn deploy(sandbox: &Sandbox, credentials: &Credentials, name: &str, template: &Value) -> String {
    let client = aws_sdk_cloudformation::Client::new(&signed_by(sandbox, credentials));
    let made = client
        .create_change_set()
        .stack_name(name)
        .change_set_name("changes")
        .change_set_type(ChangeSetType::Create)
        .capabilities(Capability::CapabilityNamedIam)
        .template_body(template.to_string());
    made.send().await.unwrap();
    client.execute_change_set().stack_name(name).change_set_name("changes").send().await.unwrap();
    sandbox.settle().await;
    let stack = client.describe_stacks().stack_name(name).send().await.unwrap().stacks.unwrap().remove(0);
    stack.stack_status.unwrap().to_string()
}

#[tokio::test]
async fn alarms_and_rotations_are_events_that_rules_pass_on_to_a_bus_a_log_and_a_topic() {
    let cell = Cell::prepared().await;
    let template = with(template(), &[central(None), forwarder()]);
    assert_eq!(cell.deploy(ChangeSetType::Create, template.clone()).await, "CREATE_COMPLETE");
    let function = crate::cell::function_arn();
    let rotated = cell.secrets().rotate_secret().secret_id(SECRET).rotation_lambda_arn(function);
    let rules = aws_sdk_secretsmanager::types::RotationRulesType::builder().automatically_after_days(30).build();
    rotated.rotation_rules(rules).send().await.unwrap();
    cell.sandbox.settle().await;
    let events = logged(&cell.sandbox).await;
    let names: Vec<&str> = events.iter().filter_map(|event| event["detail"]["eventName"].as_str()).collect();
    assert_eq!((names.first(), names.len()), (Some(&"RotationStarted"), 2), "{events:?}");
    let rotation = events.iter().find(|event| event["source"] == "aws.secretsmanager").unwrap();
    assert_eq!(rotation["detail-type"], "AWS Service Event via CloudTrail");
    let secret = rotation["detail"]["additionalEventData"]["SecretId"].as_str().unwrap();
    assert!(secret.starts_with("arn:aws:secretsmanager:eu-central-1:111122223333:secret:app/alice-"), "{secret}");

    let alarm = events.iter().find(|event| event["source"] == "aws.cloudwatch").unwrap();
    assert_eq!(alarm["resources"], json!(["arn:aws:cloudwatch:eu-central-1:111122223333:alarm:silence"]));
    assert_eq!((&alarm["account"], &alarm["region"]), (&json!(ACCOUNT), &json!(REGION)));
    let detail = &alarm["detail"];
    assert_eq!((&detail["alarmName"], &detail["state"]["value"]), (&json!("silence"), &json!("ALARM")));
    assert_eq!(detail["previousState"]["value"], "INSUFFICIENT_DATA");
    // The state lasts, and is told once.
    cell.sandbox.advance(5 * HOUR).await;
    let messages = cell.sandbox.visit(|world| world.messages(TOPIC)).await;
    let texts: Vec<&str> = messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, [format!("\"silence in {ACCOUNT}\"")]);

    cell.cloudformation().delete_stack().stack_name("cell").send().await.unwrap();
    cell.sandbox.settle().await;
    let left = cell.sandbox.visit(|world| world.inventory(ACCOUNT)).await;
    let of_stack = ["event bus", "log policy", "rule", "topic", "alarm", "role"];
    assert!(!left.iter().any(|it| of_stack.iter().any(|kind| it.starts_with(kind))), "{left:?}");
}

#[tokio::test]
async fn a_bus_lets_those_in_whom_its_policy_names_and_nobody_speaks_for_aws() {
    let (sandbox, admin, _) = organized().await;
    let outsider = change(&sandbox, |world| world.create_account(OTHER_ACCOUNT)).await;
    let member = sts(&sandbox, &admin).assume_role().role_arn(ROLE).role_session_name("test").send().await;
    let member = session(&member.unwrap());
    let organization = aws_sdk_organizations::Client::new(&signed_by(&sandbox, &admin));
    let organization = organization.describe_organization().send().await.unwrap().organization.unwrap().id.unwrap();
    assert_eq!(deploy(&sandbox, &admin, "central", &only(&[central(Some(&organization))])).await, "CREATE_COMPLETE");
    for credentials in [&member, &outsider] {
        assert_eq!(deploy(&sandbox, credentials, "forwarder", &only(&[forwarder()])).await, "CREATE_COMPLETE");
    }
    let refused = Outcome::Refused("AccessDeniedException".to_owned());
    let expected = [(MEMBER, Outcome::Done), (OTHER_ACCOUNT, refused)];
    assert_eq!(puts(&sandbox).await, expected.map(|(account, outcome)| (account.to_owned(), outcome)));
    let accounts: Vec<Value> = logged(&sandbox).await.into_iter().map(|event| event["account"].clone()).collect();
    assert_eq!(accounts, [json!(MEMBER)]);

    let put = |account: &'static str, source: &'static str| {
        let put = move |world: &mut World| world.put_event(account, BUS, (source, "Order"), json!({ "id": 1 }));
        let sandbox = &sandbox;
        async move { sandbox.visit(put).await.map_err(|error| error.code) }
    };
    assert_eq!(put(ACCOUNT, "shop").await, Ok(()));
    assert_eq!(put(ACCOUNT, "aws.cloudwatch").await, Err("NotAuthorizedForSourceException".to_owned()));
    assert_eq!(put(OTHER_ACCOUNT, "shop").await, Err("AccessDeniedException".to_owned()));
    assert_eq!(logged(&sandbox).await.len(), 2);
}

#[tokio::test]
async fn every_policy_on_the_way_has_to_let_an_event_through() {
    let table: [(&str, &str, Value); 4] = [
        ("LogPolicy", "/Properties/PolicyDocument", json!("events.amazonaws.com alone")),
        ("TopicPolicy", "/Properties/PolicyDocument/Statement/0/Principal/Service", json!("sns.amazonaws.com")),
        ("ForwardRole", "/Properties/Policies/0/PolicyDocument/Statement/0/Resource", json!(format!("{BUS}2"))),
        (
            "ForwardRole",
            "/Properties/AssumeRolePolicyDocument/Statement/0/Principal/Service",
            json!("lambda.amazonaws.com"),
        ),
    ];
    for (resource, path, value) in table {
        let cell = Cell::prepared().await;
        let mut template = only(&[central(None), forwarder()]);
        let place = template["Resources"][resource].pointer_mut(path).unwrap();
        *place = match place.as_str() {
            Some(document) if resource == "LogPolicy" => {
                document.replace(",\"delivery.logs.amazonaws.com\"", "").into()
            }
            _ => value,
        };
        assert_eq!(cell.deploy(ChangeSetType::Create, template).await, "CREATE_COMPLETE");
        let messages = cell.sandbox.visit(|world| world.messages(TOPIC)).await.len();
        let arrived = (logged(&cell.sandbox).await.len(), messages);
        let expected = match resource {
            "LogPolicy" => (0, 1),
            "TopicPolicy" => (1, 0),
            _ => (0, 0),
        };
        assert_eq!(arrived, expected, "{resource} {path}");
        let calls = cell.sandbox.visit(|world| world.calls().to_vec()).await;
        assert!(calls.iter().any(|call| matches!(call.outcome, Outcome::Refused(_))), "{resource} {path}");
    }
}

#[tokio::test]
async fn what_a_rule_or_a_bus_cannot_be_is_refused() {
    let account = |arn: &str| arn.replace(ACCOUNT, OTHER_ACCOUNT);
    let target = |more: Value| json!([more]);
    let table = [
        ("Forward", "EventPattern", json!({ "source": [{ "suffix": "x" }] }), "event pattern operator"),
        ("Forward", "EventPattern", json!({}), "Event pattern is not valid"),
        ("Forward", "ScheduleExpression", json!("rate(1 hour)"), "EventPattern"),
        ("Forward", "EventBusName", json!("absent"), "Event bus absent does not exist"),
        ("Forward", "Targets", target(json!({ "Id": "bus", "Arn": BUS })), "RoleArn is required"),
        ("Alarms", "Targets", target(json!({ "Id": "a", "Arn": account(TOPIC) })), "rule target"),
        ("Alarms", "Targets", target(json!({ "Id": "a", "Arn": TOPIC, "RoleArn": "x" })), "RoleArn is not supported"),
        (
            "Everything",
            "Targets",
            target(json!({ "Id": "a", "Arn": format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:*") })),
            "rule target",
        ),
        ("Bus", "Name", json!("default"), "is not the name of a bus"),
        ("LogPolicy", "PolicyDocument", json!("{"), "Syntax error in the policy document"),
    ];
    for (resource, property, value, expected) in table {
        let cell = Cell::prepared().await;
        let mut template = only(&[central(None), forwarder()]);
        template["Resources"][resource]["Properties"][property] = value.clone();
        assert_eq!(cell.deploy(ChangeSetType::Create, template).await, "ROLLBACK_COMPLETE", "{resource} {value}");
        let reason = cell.failure().await;
        assert!(reason.contains(expected), "{resource} {value}: {reason}");
    }
}

#[tokio::test]
async fn whoever_gives_a_rule_a_role_must_be_allowed_to_pass_it_on() {
    let cell = Cell::prepared().await;
    let deny = json!({
        "Version": "2012-10-17",
        "Statement": { "Effect": "Deny", "Action": "iam:PassRole", "Resource": "*" },
    });
    change(&cell.sandbox, move |world| world.put_user_policy(ACCOUNT, "administrator", "deny", &deny.to_string()))
        .await;
    let template = only(&[central(None), forwarder()]);
    assert_eq!(cell.deploy(ChangeSetType::Create, template).await, "ROLLBACK_COMPLETE");
    assert!(cell.failure().await.contains("iam:PassRole"));
    cell.sandbox.advance(Duration::from_mins(1)).await;
    assert_eq!(cell.sandbox.visit(|world| world.event_buses(ACCOUNT)).await.len(), 0);
}
