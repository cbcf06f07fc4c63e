//! What the template for many accounts must hold.

use std::collections::BTreeMap;

use contract::{Exempt, Region, Renderings, UserName};
use serde_json::{Value as Json, json};

use super::*;
use crate::names::StackName;
use crate::template::Resource;

fn config() -> Config {
    Config::for_users(Region::new("eu-central-1").expect("a region"), Vec::new()).expect("it is right")
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn enrolment() -> Enrolment {
    Enrolment {
        path: "/service/".to_owned(),
        tags: BTreeMap::new(),
        exempt: Exempt::default(),
        schedule: "rate(30 days)".to_owned(),
        window: None,
        kms_key: None,
        render: Renderings::AsFound,
    }
}

fn rendered(config: &Config, enrolment: &Enrolment) -> Template {
    let code = CodeLocation { bucket: "keyturn-artifacts".to_owned(), key: "keyturn/0.zip".to_owned() };
    member(config, enrolment, &code).expect("it can be filled in")
}

/// The statements of the policy for the users, by their ids.
fn statements(resources: &BTreeMap<String, Resource>) -> BTreeMap<String, Json> {
    let statements = &resources["EnrolmentPolicy"].properties["PolicyDocument"]["Statement"];
    let statements = statements.as_array().expect("a list").iter();
    statements.map(|statement| (statement["Sid"].as_str().expect("an id").to_owned(), statement.clone())).collect()
}

#[test]
fn the_environment_is_what_the_function_reads() {
    let mut config = config();
    config.kms_key = Some("arn:aws:kms:eu-central-1:111122223333:key/1234abcd".to_owned());
    let full = Enrolment {
        tags: tags(&[("rotate", "*")]),
        exempt: Exempt {
            names: [UserName::new("a,b").expect("a name"), UserName::new("c").expect("a name")].into(),
            path: Some("/service/old/".to_owned()),
            tags: tags(&[("keyturn", "never")]),
        },
        schedule: "cron(0 3 ? * SUN#1 *)".to_owned(),
        window: Some(3),
        kms_key: config.kms_key.clone(),
        render: Renderings::Exactly([contract::Rendering::Smtp].into()),
        ..enrolment()
    };
    for enrolment in [Enrolment { kms_key: config.kms_key.clone(), ..enrolment() }, full] {
        let resources = rendered(&config, &enrolment).resources();
        let variables = &resources["Function"].properties["Environment"]["Variables"];
        let read = |name: &str| variables.get(name).map(|value| value.as_str().expect("it is text").to_owned());
        assert_eq!(Enrolment::read(read), Ok(Some(enrolment)));
        assert_eq!(contract::Settings::read(read), Ok(config.settings));
        assert_eq!(read(contract::variables::STACK).as_deref(), Some("keyturn"));
    }
}

#[test]
fn nothing_depends_on_the_account_or_on_the_name_of_the_stack() {
    let mut config = config();
    config.stack = StackName::new("keyturn-eu").expect("a name");
    let text = rendered(&config, &enrolment()).to_text();
    for absent in ["AWS::StackName", "Parameters", "Conditions", "!If", "UserPolicy", "111122223333"] {
        assert!(!text.contains(absent), "{absent}");
    }
    let resources = rendered(&config, &enrolment()).resources();
    assert_eq!(resources["Function"].properties["FunctionName"], "keyturn-eu");
    assert_eq!(resources["Enroller"].properties["Name"], "keyturn-eu-enroller");
    assert_eq!(resources["Enroller"].properties["Targets"][0]["Input"], r#"{"enrol":"all"}"#);
    assert_eq!(resources["LogGroup"].properties["LogGroupName"], "/aws/lambda/keyturn-eu");
    let created = &statements(&resources)["NewSecrets"]["Condition"];
    assert_eq!(created["StringEquals"], json!({ "aws:RequestTag/keyturn:stack": "keyturn-eu" }));
    assert!(resources.values().all(|resource| resource.kind != "AWS::SecretsManager::Secret"));
}

#[test]
fn keys_are_bounded_by_path_and_tags() {
    let keys = |enrolment: &Enrolment| {
        let statement = &statements(&rendered(&config(), enrolment).resources())["Keys"];
        (statement["Resource"]["Fn::Sub"].as_str().expect("a text").to_owned(), statement["Condition"].clone())
    };
    let arn = |path: &str| format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:user{path}*");
    assert_eq!(keys(&enrolment()), (arn("/service/"), Json::Null));
    let all = Enrolment { path: "/".to_owned(), tags: tags(&[("a", "*"), ("b", "1"), ("c", "2")]), ..enrolment() };
    let condition = json!({
        "StringEquals": { "iam:ResourceTag/b": "1", "iam:ResourceTag/c": "2" },
        "StringLike": { "iam:ResourceTag/a": "*" },
    });
    assert_eq!(keys(&all), (arn("/"), condition));
}

#[test]
fn tags_are_asked_for_only_where_they_decide() {
    let asks = |enrolment: &Enrolment| statements(&rendered(&config(), enrolment).resources()).contains_key("Tags");
    assert!(!asks(&enrolment()));
    assert!(asks(&Enrolment { tags: tags(&[("rotate", "*")]), ..enrolment() }));
    let exempt = Exempt { tags: tags(&[("keyturn", "never")]), ..Exempt::default() };
    assert!(asks(&Enrolment { exempt, ..enrolment() }));
}

#[test]
fn the_text_reads_back() {
    let odd = Enrolment { tags: tags(&[("no", "yes"), ("a: b", "\"c\" #d")]), ..enrolment() };
    let template = rendered(&config(), &odd);
    assert_eq!(Template::parse(&template.to_text()).expect("it is YAML"), template);
}

#[test]
fn the_boundary_is_the_accounts_own() {
    let boundary = |arn: &str| {
        let config = Config { permissions_boundary: Some(arn.to_owned()), ..config() };
        let resources = rendered(&config, &enrolment()).resources();
        resources["Role"].properties["PermissionsBoundary"].clone()
    };
    let own = json!({ "Fn::Sub": "arn:aws:iam::${AWS::AccountId}:policy/it/boundary" });
    assert_eq!(boundary("arn:aws:iam::111122223333:policy/it/boundary"), own);
    let of_aws = "arn:aws:iam::aws:policy/PowerUserAccess";
    assert_eq!(boundary(of_aws), of_aws, "which is the same in all of them");
}
