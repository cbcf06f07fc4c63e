//! The models themselves, and requests that are and are not as they say.

use std::collections::BTreeMap;

use super::shape::Shape;
use super::*;

fn http(method: &str, path: &str, query: &str, body: &str) -> HttpRequest {
    let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
    HttpRequest { method, path, query, headers: BTreeMap::new(), body: body.as_bytes().to_vec() }
}

fn refusal(checked: Result<(), ApiError>) -> String {
    checked.expect_err("it is not as the model says").message
}

fn form(operation: &str, fields: &str) -> Result<(), ApiError> {
    let service = if operation.contains("Stack") || operation.contains("ChangeSet") { "cloudformation" } else { "iam" };
    let body = format!("Action={operation}&Version=2010-05-08{fields}");
    check(service, operation, Protocol::Query, &http("POST", "/", "", &body))
}

fn json(operation: &str, body: &str) -> Result<(), ApiError> {
    check("secretsmanager", operation, Protocol::Json, &http("POST", "/", "", body))
}

#[test]
fn every_shape_that_is_named_is_there_and_every_pattern_can_be_read() {
    for service in SERVICES {
        let model = model(service).unwrap();
        for operation in model.operations.values() {
            operation
                .input
                .iter()
                .for_each(|input| assert!(matches!(model.shapes.get(input), Shape::Structure { .. })));
        }
        for shape in model.shapes.iter() {
            let inner: Vec<&str> = match shape {
                Shape::Structure { members, required, .. } => {
                    assert!(required.iter().all(|name| members.contains_key(name)), "{service}: {shape:?}");
                    members.values().map(|member| member.shape()).collect()
                }
                Shape::List { member, .. } => vec![member.shape()],
                Shape::Map { key, value, .. } => vec![key.shape(), value.shape()],
                Shape::String { pattern, .. } => {
                    pattern.iter().for_each(|pattern| _ = pattern.regex());
                    Vec::new()
                }
                _ => Vec::new(),
            };
            inner.into_iter().for_each(|name| _ = model.shapes.get(name));
        }
    }
}

#[test]
fn forms() {
    assert_eq!(form("CreateAccessKey", "&UserName=alice"), Ok(()));
    assert_eq!(form("ListUsers", "&PathPrefix=%2Fci%2F&MaxItems=1000"), Ok(()));
    let lists = "&PolicySourceArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Auser%2Falice&ActionNames.member.1=iam%3AGetUser\
                 &ContextEntries.member.1.ContextKeyName=aws%3Aregion&ContextEntries.member.1.ContextKeyValues.member.1=x";
    assert_eq!(form("SimulatePrincipalPolicy", lists), Ok(()));
    assert_eq!(form("CreateChangeSet", "&StackName=a&ChangeSetName=b&Capabilities="), Ok(()));
    for (operation, fields, expected) in [
        ("DeleteAccessKey", "&UserName=alice", "'AccessKeyId' must not be null"),
        ("CreateAccessKey", "&UserName=al/ice", "'UserName' failed to satisfy constraint: Member must satisfy regular"),
        ("CreateAccessKey", "&UserName=", "length greater than or equal to 1"),
        ("CreateAccessKey", "&User=alice", "there is no parameter 'User'"),
        ("ListUsers", "&MaxItems=1001", "value less than or equal to 1000"),
        ("ListUsers", "&MaxItems=many", "must be a whole number"),
        ("UpdateAccessKey", "&AccessKeyId=AKIAIOSFODNN7EXAMPLE&Status=inactive", "must satisfy enum value set"),
        ("CreateChangeSet", "&StackName=a&ChangeSetName=b&UsePreviousTemplate=yes", "must be a boolean"),
        ("CreateChangeSet", "&StackName=a&ChangeSetName=b&Tags.1.Key=a", "there is no parameter 'Tags.1.Key'"),
        ("CreateChangeSet", "&StackName=a&ChangeSetName=b&Tags.member.1.Key=a", "'Tags.1.Value' must not be null"),
    ] {
        let told = refusal(form(operation, fields));
        assert!(told.contains(expected), "{operation}{fields}: {told}");
    }
    let unknown = check("iam", "CreateUser", Protocol::Query, &http("POST", "/", "", "Action=CreateUser&Version=x"));
    assert!(refusal(unknown).contains("`CreateUser`"));
}

#[test]
fn json_bodies() {
    let token = "0123456789abcdef0123456789abcdef";
    let put = |more: &str| format!(r#"{{"SecretId":"keyturn/alice","ClientRequestToken":"{token}"{more}}}"#);
    assert_eq!(json("PutSecretValue", &put(r#","SecretString":"x","VersionStages":["AWSPENDING"]"#)), Ok(()));
    assert_eq!(json("PutSecretValue", &put(r#","SecretBinary":"AAEC","SecretString":null"#)), Ok(()));
    let stages = vec!["\"x\""; 21].join(",");
    for (body, expected) in [
        (put(r#","SecretString":["hunter2"]"#), "'SecretString' failed to satisfy constraint: Member must be a string"),
        (put(r#","VersionStages":[1]"#), "'VersionStages.1' failed"),
        (put(&format!(r#","VersionStages":[{stages}]"#)), "length less than or equal to 20"),
        (put(r#","SecretBinary":"!""#), "must be base64"),
        (put(r#","Secret":"hunter2""#), "there is no member 'Secret'"),
        (r#"{"SecretId":"a","ClientRequestToken":"short"}"#.to_owned(), "length greater than or equal to 32"),
        ("[]".to_owned(), "must be a structure"),
        ("{".to_owned(), "the body is not JSON"),
    ] {
        let told = refusal(json("PutSecretValue", &body));
        assert!(told.contains(expected), "{body}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    // Characters are counted, not bytes.
    let value = |letter: &str| put(&format!(r#","SecretString":"{}""#, letter.repeat(65_536)));
    assert_eq!(json("PutSecretValue", &value("ü")), Ok(()));
    assert!(refusal(json("PutSecretValue", &(value("x").replace(r#""x"#, r#""xx"#)))).contains("65536"));
}

#[test]
fn paths_queries_and_headers() {
    let functions = "/2015-03-31/functions";
    let invoke = |path: &str, header: Option<(&str, &str)>| {
        let mut http = http("POST", &format!("{functions}{path}"), "", "not JSON");
        http.headers.extend(header.map(|(name, value)| (name.to_owned(), value.to_owned())));
        check("lambda", "Invoke", Protocol::RestJson, &http)
    };
    assert_eq!(invoke("/keyturn/invocations", Some(("x-amz-invocation-type", "Event"))), Ok(()));
    let arn = "/arn%3Aaws%3Alambda%3Aeu-central-1%3A111122223333%3Afunction%3Akeyturn/invocations";
    assert_eq!(invoke(arn, None), Ok(()));
    assert!(refusal(invoke("/key%20turn/invocations", None)).contains("'FunctionName' failed"));
    assert!(refusal(invoke("//invocations", None)).contains("the path must be like"));
    assert!(refusal(invoke("/keyturn/invocations", Some(("x-amz-invocation-type", "Later")))).contains("enum"));

    let s3 = |method: &str, operation: &str, path: &str, query: &str| {
        check("s3", operation, Protocol::RestXml, &http(method, path, query, ""))
    };
    assert_eq!(s3("GET", "GetObject", "/bucket/a/b%20c.zip", "versionId=1&x-id=GetObject"), Ok(()));
    assert_eq!(s3("GET", "ListObjectVersions", "/bucket", "versions&max-keys=10"), Ok(()));
    assert!(refusal(s3("GET", "ListObjectVersions", "/bucket", "versions&max-keys=a")).contains("whole number"));
    assert!(refusal(s3("GET", "GetObject", "/bucket/a", "version=1")).contains("there is no parameter 'version'"));
    assert!(refusal(s3("GET", "GetObject", "/bucket", "")).contains("the path must be like"));
    assert!(refusal(s3("PUT", "GetObject", "/bucket/a", "")).contains("the method must be GET"));
}
