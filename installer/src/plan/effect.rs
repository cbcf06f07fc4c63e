//! What a change of a resource means beyond the change itself: a new resource takes its place, or somebody may do more than
//! before.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::PropertyChange;
use crate::template::Resource;

/// The properties that cannot be changed in place (CloudFormation resource schemas, `createOnlyProperties`), of the types in
/// our templates. `*` stands for every property.
const CREATE_ONLY: [(&str, &[&str]); 15] = [
    ("AWS::CloudWatch::Alarm", &["AlarmName"]),
    ("AWS::CloudWatch::Dashboard", &["DashboardName"]),
    ("AWS::Events::Rule", &["Name"]),
    ("AWS::IAM::ManagedPolicy", &["Description", "ManagedPolicyName", "Path"]),
    ("AWS::IAM::Role", &["Path", "RoleName"]),
    ("AWS::Lambda::Function", &["FunctionName", "PackageType"]),
    ("AWS::Lambda::Permission", &["*"]),
    ("AWS::Logs::LogGroup", &["LogGroupName"]),
    ("AWS::S3::Bucket", &["BucketName"]),
    ("AWS::S3::BucketPolicy", &["Bucket"]),
    ("AWS::SNS::Subscription", &["Endpoint", "Protocol", "TopicArn"]),
    ("AWS::SNS::Topic", &["FifoTopic", "TopicName"]),
    // None: its topics can be changed.
    ("AWS::SNS::TopicPolicy", &[]),
    ("AWS::SecretsManager::RotationSchedule", &["SecretId"]),
    ("AWS::SecretsManager::Secret", &["Name"]),
];

/// Whether a new resource takes the place of the old one. CloudFormation says so too, when it has made the change set.
pub(super) fn replaces(kind: &str, changes: &[PropertyChange]) -> bool {
    let fixed = CREATE_ONLY.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, properties)| properties);
    let property = |change: &PropertyChange| change.path.split(['.', '[']).next().unwrap_or_default().to_owned();
    changes.iter().map(property).any(|changed| fixed.iter().any(|name| *name == "*" || *name == changed))
}

/// Whether somebody may do something afterwards that he could not do before. What a wildcard allowed already counts as
/// new all the same.
pub(super) fn broadens(before: Option<&Resource>, after: Option<&Resource>) -> bool {
    let kind = after.or(before).map(|resource| resource.kind.as_str()).unwrap_or_default();
    match kind {
        "AWS::Lambda::Permission" => after.is_some() && before != after,
        kind if kind.starts_with("AWS::IAM::") || kind.ends_with("Policy") => {
            let (old, new) = (permissions(before), permissions(after));
            !new.allowed.is_subset(&old.allowed) || !old.limits.is_subset(&new.limits)
        }
        _ => false,
    }
}

/// What the policies in a resource say, statement by statement, each for one principal, action and resource.
#[derive(Default)]
struct Permissions {
    allowed: BTreeSet<String>,
    /// What takes permissions away: statements that deny, and the boundary.
    limits: BTreeSet<String>,
}

fn permissions(resource: Option<&Resource>) -> Permissions {
    let mut permissions = Permissions::default();
    let Some(resource) = resource else { return permissions };
    collect(&resource.properties, &mut permissions);
    for list in ["ManagedPolicyArns", "Roles", "Users", "Groups"] {
        let of = |one: Json| format!("{list} {one}");
        permissions.allowed.extend(each(resource.properties.get(list)).into_iter().map(of));
    }
    let boundary = resource.properties.get("PermissionsBoundary");
    permissions.limits.extend(boundary.map(|boundary| format!("boundary {boundary}")));
    permissions
}

/// Looks for statements wherever they stand.
fn collect(value: &Json, permissions: &mut Permissions) {
    match value {
        Json::Object(fields) if fields.contains_key("Effect") => statement(value, permissions),
        Json::Object(fields) => fields.values().for_each(|field| collect(field, permissions)),
        Json::Array(items) => items.iter().for_each(|item| collect(item, permissions)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn statement(statement: &Json, permissions: &mut Permissions) {
    let allows = statement.get("Effect").and_then(Json::as_str) == Some("Allow");
    let side = if allows { &mut permissions.allowed } else { &mut permissions.limits };
    let field = |name: &str| statement.get(name).map(Json::to_string).unwrap_or_default();
    let rest =
        format!("{} {} {} {}", field("Condition"), field("NotAction"), field("NotResource"), field("NotPrincipal"));
    for principal in each(statement.get("Principal")) {
        for action in each(statement.get("Action")) {
            for resource in each(statement.get("Resource")) {
                side.insert(format!("{principal} {action} {resource} {rest}"));
            }
        }
    }
}

/// The items of a list, or the one value that stands for it; what is not said counts as one.
fn each(value: Option<&Json>) -> Vec<Json> {
    match value {
        Some(Json::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
        None => vec![Json::Null],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(kind: &str, properties: Json) -> Resource {
        Resource { kind: kind.to_owned(), properties }
    }

    fn policy(statements: Json) -> Resource {
        resource("AWS::IAM::ManagedPolicy", json!({ "PolicyDocument": { "Statement": statements } }))
    }

    fn allow(action: Json, resource: Json) -> Json {
        json!({ "Effect": "Allow", "Action": action, "Resource": resource })
    }

    #[test]
    fn a_property_that_cannot_be_changed_means_a_new_resource() {
        let change = |path: &str| PropertyChange { path: path.to_owned(), before: None, after: None, drifted: false };
        for (kind, path, expected) in [
            ("AWS::IAM::Role", "Path", true),
            ("AWS::IAM::Role", "AssumeRolePolicyDocument.Statement[0].Action", false),
            ("AWS::Lambda::Permission", "SourceAccount", true),
            ("AWS::SecretsManager::Secret", "Name", true),
            ("AWS::SecretsManager::Secret", "Tags[0].Value", false),
            ("AWS::Lambda::Function", "Code.S3Key", false),
            ("AWS::CloudWatch::Alarm", "AlarmName", true),
            ("AWS::CloudWatch::Alarm", "Threshold", false),
            ("AWS::CloudWatch::Dashboard", "DashboardName", true),
            ("AWS::SNS::Topic", "TopicName", true),
            ("AWS::SNS::Subscription", "Endpoint", true),
            ("AWS::SNS::Subscription", "FilterPolicy", false),
            ("AWS::SNS::TopicPolicy", "Topics", false),
            ("AWS::Unknown::Type", "Name", false),
        ] {
            assert_eq!(replaces(kind, &[change("MemorySize"), change(path)]), expected, "{kind} {path}");
        }
    }

    #[test]
    fn every_type_of_our_templates_is_known() {
        for text in [include_str!("../../../templates/keyturn.yaml"), include_str!("../../../templates/artifacts.yaml")]
        {
            let types = text.lines().filter_map(|line| line.trim().strip_prefix("Type: AWS::"));
            for name in types {
                let name = format!("AWS::{name}");
                assert!(CREATE_ONLY.iter().any(|(known, _)| *known == name), "{name}");
            }
        }
    }

    #[test]
    fn more_actions_resources_or_principals_are_more_permissions() {
        let before = policy(json!([allow(json!(["a", "b"]), json!(["r", "s"]))]));
        for (after, expected) in [
            (json!([allow(json!(["a", "b"]), json!(["r", "s"]))]), false),
            // The same, written in another way, and less.
            (json!([allow(json!("a"), json!(["r", "s"])), allow(json!("b"), json!(["s", "r"]))]), false),
            (json!([allow(json!("a"), json!("r"))]), false),
            (json!([]), false),
            (json!([allow(json!(["a", "b", "c"]), json!(["r", "s"]))]), true),
            (json!([allow(json!(["a", "b"]), json!(["r", "s", "t"]))]), true),
            (json!([allow(json!(["a", "b"]), json!(["r", "s"])), allow(json!("c"), json!("t"))]), true),
        ] {
            assert_eq!(broadens(Some(&before), Some(&policy(after.clone()))), expected, "{after}");
        }
        assert!(broadens(None, Some(&before)) && !broadens(Some(&before), None));
        let conditional = |condition: Json| {
            policy(json!([{ "Effect": "Allow", "Action": "a", "Resource": "r", "Condition": condition }]))
        };
        assert!(broadens(Some(&conditional(json!({ "k": "1" }))), Some(&conditional(json!({ "k": "2" })))));
    }

    #[test]
    fn what_forbids_less_allows_more() {
        let deny = json!({ "Effect": "Deny", "Action": "a", "Resource": "r" });
        assert!(broadens(Some(&policy(json!([deny]))), Some(&policy(json!([])))));
        assert!(!broadens(Some(&policy(json!([]))), Some(&policy(json!([deny])))));
        let role = |properties| resource("AWS::IAM::Role", properties);
        let bounded = role(json!({ "PermissionsBoundary": "arn" }));
        assert!(broadens(Some(&bounded), Some(&role(json!({})))) && !broadens(Some(&role(json!({}))), Some(&bounded)));
        assert!(broadens(Some(&role(json!({}))), Some(&role(json!({ "ManagedPolicyArns": ["arn"] })))));
        let permission = |account: &str| resource("AWS::Lambda::Permission", json!({ "SourceAccount": account }));
        assert!(broadens(Some(&permission("1")), Some(&permission("2"))));
        assert!(!broadens(Some(&permission("1")), None));
        let function = |memory: u32| resource("AWS::Lambda::Function", json!({ "MemorySize": memory }));
        assert!(!broadens(Some(&function(1)), Some(&function(2))));
    }
}
