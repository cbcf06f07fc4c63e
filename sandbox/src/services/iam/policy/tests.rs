//! Policies as tables: what each says of a request, and which ones are refused.

use serde_json::json;

use super::*;

const USER: &str = "arn:aws:iam::111122223333:user/team/alice";

fn policy(statement: Value) -> Policy {
    Policy::new(Kind::Identity, &json!({ "Version": "2012-10-17", "Statement": statement })).unwrap()
}

fn verdict(statement: Value, action: &str, resource: &str, context: &[(&str, &str)]) -> Verdict {
    let context = context.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    policy(statement).verdict(&Question { action, resource, context: &context })
}

fn refusal(kind: Kind, document: &Value) -> String {
    Policy::new(kind, document).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn actions_are_compared_without_case_and_with_wildcards() {
    let table = [
        ("iam:CreateAccessKey", true),
        ("IAM:createaccesskey", true),
        ("iam:Create*", true),
        ("iam:*AccessKey", true),
        ("iam:CreateAccessKe?", true),
        ("*", true),
        ("iam:CreateAccessKey?", false),
        ("iam:Create", false),
        ("sts:*", false),
    ];
    for (pattern, allowed) in table {
        let statement = json!({ "Effect": "Allow", "Action": pattern, "Resource": "*" });
        let expected = if allowed { Verdict::Allow } else { Verdict::Silent };
        assert_eq!(verdict(statement, "iam:CreateAccessKey", USER, &[]), expected, "{pattern}");
    }
}

#[test]
fn resources_are_compared_part_by_part() {
    let table = [
        (USER, true),
        ("arn:aws:iam::111122223333:user/team/*", true),
        ("arn:aws:iam::111122223333:user/*", true),
        ("arn:aws:iam::*:user/team/alic?", true),
        ("arn:*:iam::111122223333:*", true),
        ("arn:aws:iam::111122223333:user/alice", false),
        ("arn:aws:iam::111122223333:user/team/ALICE", false),
        ("arn:aws:iam::999988887777:user/team/alice", false),
        ("arn:aws:*:user/team/alice:x:y", false),
    ];
    for (pattern, allowed) in table {
        let statement = json!({ "Effect": "Allow", "Action": "iam:GetUser", "Resource": ["arn:aws:s3:::b", pattern] });
        let expected = if allowed { Verdict::Allow } else { Verdict::Silent };
        assert_eq!(verdict(statement, "iam:GetUser", USER, &[]), expected, "{pattern}");
    }
}

#[test]
fn a_resource_may_hold_colons_of_its_own() {
    let statement = json!({
        "Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "arn:aws:logs:r:111122223333:log-group:/aws/f:*",
    });
    let stream = "arn:aws:logs:r:111122223333:log-group:/aws/f:log-stream:a/b";
    assert_eq!(verdict(statement, "logs:PutLogEvents", stream, &[]), Verdict::Allow);
}

#[test]
fn the_wildcard_alone_means_also_what_has_no_arn() {
    let all = json!({ "Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*" });
    let arns = json!({ "Effect": "Allow", "Action": "iam:ListUsers", "Resource": "arn:aws:iam::*:*" });
    assert_eq!(verdict(all, "iam:ListUsers", "*", &[]), Verdict::Allow);
    assert_eq!(verdict(arns, "iam:ListUsers", "*", &[]), Verdict::Silent);
}

#[test]
fn deny_is_stronger_than_allow_wherever_it_stands() {
    let allow = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
    let deny = json!({ "Effect": "Deny", "Action": "iam:Delete*", "Resource": "*" });
    for statements in [json!([allow, deny]), json!([deny, allow])] {
        assert_eq!(verdict(statements.clone(), "iam:DeleteUser", USER, &[]), Verdict::Deny);
        assert_eq!(verdict(statements, "iam:GetUser", USER, &[]), Verdict::Allow);
    }
}

#[test]
fn conditions_hold_as_their_operator_says() {
    let key = "aws:SourceArn";
    let arn = "arn:aws:secretsmanager:r:111122223333:secret:a-b";
    let table = [
        ("StringEquals", key, json!(arn), Some(arn), true),
        ("StringEquals", key, json!(["x", arn]), Some(arn), true),
        ("StringEquals", "AWS:sourceARN", json!(arn), Some(arn), true),
        ("StringEquals", key, json!("arn:*"), Some(arn), false),
        ("StringEquals", key, json!(arn), None, false),
        ("StringLike", key, json!("arn:*:secret:?-*"), Some(arn), true),
        ("StringLike", key, json!("secret:*"), Some(arn), false),
        ("ArnLike", key, json!("arn:aws:secretsmanager:*:111122223333:secret:*"), Some(arn), true),
        ("ArnEquals", key, json!("arn:aws:secretsmanager:*:111122223333:secret:*"), Some(arn), true),
        ("ArnLike", key, json!("arn:aws:*:secret:a-b"), Some(arn), false),
        ("Bool", "aws:SecureTransport", json!(false), Some("false"), true),
        ("Bool", "aws:SecureTransport", json!("true"), Some("false"), false),
        ("Bool", "aws:SecureTransport", json!("false"), None, false),
        ("Null", key, json!("true"), None, true),
        ("Null", key, json!("true"), Some(arn), false),
        ("Null", key, json!(false), Some(arn), true),
        ("StringEquals", "aws:ResourceTag/team", json!("a"), None, false),
        ("StringEqualsIfExists", "aws:ResourceTag/team", json!("a"), None, true),
        ("StringEqualsIfExists", "aws:ResourceTag/team", json!("a"), Some("a"), true),
        ("StringEqualsIfExists", "aws:ResourceTag/team", json!("a"), Some("b"), false),
    ];
    for (operator, name, wanted, actual, holds) in table {
        let shown = format!("{operator} {name} {wanted} {actual:?}");
        let context: Vec<(&str, &str)> = match name {
            "AWS:sourceARN" => actual.map(|value| (key, value)).into_iter().collect(),
            _ => actual.map(|value| (name, value)).into_iter().collect(),
        };
        let statement =
            json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": { operator: { name: wanted } } });
        let expected = if holds { Verdict::Allow } else { Verdict::Silent };
        assert_eq!(verdict(statement, "kms:Decrypt", USER, &context), expected, "{shown}");
    }
}

#[test]
fn every_condition_must_hold() {
    let statement = json!({
        "Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {
            "StringEquals": { "aws:SourceAccount": "1", "aws:ResourceAccount": "2" },
            "Null": { "aws:SourceArn": "true" },
        },
    });
    let all = [("aws:SourceAccount", "1"), ("aws:ResourceAccount", "2")];
    assert_eq!(verdict(statement.clone(), "a:b", USER, &all), Verdict::Allow);
    assert_eq!(verdict(statement.clone(), "a:b", USER, &all[..1]), Verdict::Silent);
    let too_much = [all[0], all[1], ("aws:SourceArn", "arn")];
    assert_eq!(verdict(statement, "a:b", USER, &too_much), Verdict::Silent);
}

#[test]
fn what_the_sandbox_does_not_know_is_named() {
    let with = |change: Value| {
        let mut statement = json!({ "Effect": "Allow", "Action": "iam:GetUser", "Resource": "*" });
        statement.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({ "Version": "2012-10-17", "Statement": [statement] })
    };
    let table = [
        (with(json!({ "NotAction": "iam:GetUser" })), "policy element `NotAction`"),
        (with(json!({ "Condition": { "DateGreaterThan": {} } })), "condition operator `DateGreaterThan`"),
        (with(json!({ "Condition": { "NullIfExists": {} } })), "condition operator `NullIfExists`"),
        (
            with(json!({ "Condition": { "Bool": { "aws:ViaAWSService": "true" } } })),
            "condition key `aws:ViaAWSService`",
        ),
        (with(json!({ "Condition": { "Null": { "aws:RequestTag/": "true" } } })), "condition key `aws:RequestTag/`"),
        (with(json!({ "Resource": "arn:aws:iam::1:user/${aws:username}" })), "`arn:aws:iam::1:user/${aws:username}`"),
        (json!({ "Version": "2008-10-17", "Statement": [] }), "policy version `2008-10-17`"),
        (json!({ "Version": "2012-10-17", "Statement": [], "Comment": "" }), "policy element `Comment`"),
    ];
    for (document, named) in table {
        let refusal = refusal(Kind::Identity, &document);
        assert!(refusal.starts_with("SandboxUnsupported") && refusal.contains(named), "{refusal}");
    }
}

#[test]
fn malformed_documents_are_refused() {
    let allow = |action: Value, resource: Value| json!({ "Effect": "Allow", "Action": action, "Resource": resource });
    let with_id = |id: &str| json!({ "Sid": id, "Effect": "Allow", "Action": "*", "Resource": "*" });
    let principal = json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*" });
    let table = [
        (json!({ "Effect": "allow", "Action": "*", "Resource": "*" }), "Effect"),
        (json!({ "Effect": "Allow", "Resource": "*" }), "must contain actions"),
        (json!({ "Effect": "Allow", "Action": "*" }), "must contain resources"),
        (allow(json!([]), json!("*")), "must contain actions"),
        (allow(json!("*"), json!([])), "must contain resources"),
        (allow(json!("GetUser"), json!("*")), "prefaced by a vendor"),
        (allow(json!("iam:GetUser"), json!("user/alice")), "must be in ARN format"),
        (allow(json!(7), json!("*")), "Syntax errors"),
        (with_id("a-b"), "alpha-numeric"),
        (json!([with_id("a"), with_id("a")]), "must be unique"),
        (principal, "should not specify a principal"),
    ];
    for (statement, named) in table {
        let refusal = refusal(Kind::Identity, &json!({ "Version": "2012-10-17", "Statement": statement }));
        assert!(refusal.starts_with("MalformedPolicyDocument") && refusal.contains(named), "{refusal}");
    }
    let text = Policy::read(Kind::Identity, "{").map(|_| ()).map_err(|error| error.code);
    assert_eq!(text, Err("MalformedPolicyDocument".into()));
}

#[test]
fn trust_policies_name_principals_and_no_resources() {
    let table = [
        (json!({ "Service": "lambda.amazonaws.com" }), Ok(Principal::Service("lambda.amazonaws.com".into()))),
        (json!({ "AWS": "111122223333" }), Ok(Principal::Account("111122223333".into()))),
        (json!({ "AWS": "arn:aws:iam::111122223333:root" }), Ok(Principal::Account("111122223333".into()))),
        (json!({ "AWS": [USER] }), Ok(Principal::Arn(USER.into()))),
        (json!("*"), Ok(Principal::Anyone)),
        (json!({ "AWS": "*" }), Ok(Principal::Anyone)),
        (json!({ "AWS": "alice" }), Err("Invalid principal")),
        (json!({ "AWS": "arn:aws:iam::111122223333:user/*" }), Err("Invalid principal")),
        (json!({ "Service": "lambda" }), Err("Invalid principal")),
        (
            json!({ "Federated": "arn:aws:iam::111122223333:oidc-provider/example.com" }),
            Ok(Principal::Federated("arn:aws:iam::111122223333:oidc-provider/example.com".into())),
        ),
        (json!({ "Federated": "x" }), Err("Invalid principal")),
        (json!({ "CanonicalUser": "x" }), Err("the principal `CanonicalUser`")),
        (json!({}), Err("Missing required field Principal")),
    ];
    for (principal, expected) in table {
        let statement = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal });
        let document = json!({ "Version": "2012-10-17", "Statement": statement });
        match expected {
            Ok(expected) => {
                let policy = Policy::new(Kind::Trust, &document).unwrap();
                assert_eq!(policy.statements[0].principals, [expected]);
            }
            Err(named) => assert!(refusal(Kind::Trust, &document).contains(named), "{document}"),
        }
    }
    let trust = |statement: Value| refusal(Kind::Trust, &json!({ "Version": "2012-10-17", "Statement": statement }));
    let resource = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*", "Resource": "*" });
    assert!(trust(resource).contains("prohibited field Resource"));
    let action = json!({ "Effect": "Allow", "Action": "iam:GetUser", "Principal": "*" });
    assert!(trust(action).contains("STS AssumeRole actions"));
}

#[test]
fn length_leaves_white_space_out() {
    let text = r#"{ "Version": "2012-10-17",
        "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } }"#;
    let dense = text.chars().filter(|c| !c.is_whitespace()).count();
    assert_eq!(Policy::read(Kind::Identity, text).map(|policy| policy.length), Ok(dense));
}
