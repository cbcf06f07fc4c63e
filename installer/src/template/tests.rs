//! What the templates must hold, whatever is configured.

use std::time::Duration;

use contract::{Region, Renderings};
use serde_json::json;

use super::*;
use crate::config::{Alerts, Architecture, ConfiguredUser, Vpc};
use crate::fleet::Central;

fn user(name: &str) -> BoundUser {
    BoundUser {
        name: UserName::new(name).expect("a user name"),
        id: UserId::new("AIDAEXAMPLEEXAMPLE000").expect("an id"),
        arn: format!("arn:aws:iam::111122223333:user/{name}"),
    }
}

fn config() -> Config {
    Config::for_users(Region::new("eu-central-1").expect("a region"), Vec::new()).expect("it is right")
}

fn code() -> CodeLocation {
    CodeLocation { bucket: "keyturn-artifacts".to_owned(), key: "keyturn/0.zip".to_owned() }
}

fn resources(config: &Config, users: &[BoundUser]) -> BTreeMap<String, Resource> {
    cell(config, users, &code()).expect("they fit").resources()
}

fn of_kind<'a>(resources: &'a BTreeMap<String, Resource>, kind: &str) -> Vec<&'a Json> {
    resources.values().filter(|resource| resource.kind == kind).map(|resource| &resource.properties).collect()
}

#[test]
fn a_user_has_a_secret_and_its_rotation() {
    let resources = resources(&config(), &[user("alice")]);
    let ids = UserResources::of(&user("alice").name);
    assert_eq!(
        resources[&ids.secret].properties,
        json!({
            "Name": "keyturn/alice",
            "Description": "The access key of the IAM user alice, rotated by keyturn",
            "SecretString": "{\"UserName\":\"alice\"}",
            "Tags": [
                { "Key": "keyturn:user", "Value": "alice" },
                { "Key": "keyturn:user-id", "Value": "AIDAEXAMPLEEXAMPLE000" },
                { "Key": "keyturn:stack", "Value": { "Ref": "AWS::StackName" } },
            ],
        })
    );
    assert_eq!(
        resources[&ids.rotation].properties,
        json!({
            "SecretId": { "Ref": ids.secret },
            "RotationLambdaARN": { "Fn::GetAtt": ["Function", "Arn"] },
            "RotateImmediatelyOnUpdate": false,
            "RotationRules": { "ScheduleExpression": "rate(30 days)" },
        })
    );
}

#[test]
fn a_secret_says_what_it_is_rendered_as_and_keeps_its_value() {
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let exactly = |these: &[contract::Rendering]| Renderings::Exactly(these.iter().copied().collect());
    let mut config = config();
    let tags = |config: &Config, user: &BoundUser| {
        let resources = resources(config, std::slice::from_ref(user));
        let secret = &resources[&UserResources::of(&user.name).secret].properties;
        assert_eq!(secret["SecretString"], format!(r#"{{"UserName":"{}"}}"#, user.name));
        let tags = secret["Tags"].as_array().expect("a list").iter();
        tags.filter(|tag| tag["Key"] == "keyturn:render").map(|tag| tag["Value"].clone()).collect::<Vec<_>>()
    };
    config.users = vec![
        ConfiguredUser {
            render: Some(exactly(&[contract::Rendering::Smtp])),
            ..ConfiguredUser::named(alice.name.clone())
        },
        ConfiguredUser { render: Some(exactly(&[])), ..ConfiguredUser::named(bob.name.clone()) },
        ConfiguredUser::named(carol.name.clone()),
    ];
    assert_eq!(tags(&config, &alice), ["smtp"]);
    assert_eq!(tags(&config, &bob), ["none"]);
    assert_eq!(tags(&config, &carol), [] as [&str; 0]);
    config.render = exactly(&[contract::Rendering::Environment, contract::Rendering::CredentialsFile]);
    assert_eq!(tags(&config, &alice), ["smtp"]);
    assert_eq!(tags(&config, &carol), ["environment credentials-file"]);
}

#[test]
fn secrets_stay_and_rotations_wait_for_all_permissions() {
    let users: Vec<BoundUser> = (0..40).map(|number| user(&format!("user-with-a-long-name-{number}"))).collect();
    let template = cell(&config(), &users, &code()).expect("they fit");
    let policies = of_kind(&template.resources(), "AWS::IAM::ManagedPolicy").len();
    assert!(policies > 2, "the users need more than one policy");
    let mut needed = vec!["FunctionPermission".to_owned(), "FunctionPolicy".to_owned()];
    needed.extend((1..policies).map(|number| format!("UserPolicy{number}")));
    for user in &users {
        let ids = UserResources::of(&user.name);
        let all = json::of(&template.0["Resources"]);
        assert_eq!(all[&ids.secret]["DeletionPolicy"], "Retain");
        assert_eq!(all[&ids.secret]["UpdateReplacePolicy"], "Retain");
        assert_eq!(all[&ids.rotation]["DependsOn"], json!(needed));
    }
}

#[test]
fn the_function_does_not_wait_for_the_policies() {
    let template = cell(&config(), &[user("alice")], &code()).expect("they fit");
    let all = json::of(&template.0["Resources"]);
    assert!(all["Function"].get("DependsOn").is_none());
    for id in ["Function", "Role"] {
        assert!(!all[id].to_string().contains("Policy1") && !all[id].to_string().contains("FunctionPolicy"), "{id}");
    }
}

#[test]
fn permissions_name_the_users_with_their_paths_and_their_secrets() {
    let mut in_path = user("a,b");
    in_path.arn = "arn:aws-cn:iam::111122223333:user/team/a.b/a,b".to_owned();
    let resources = resources(&config(), &[in_path, user("ci-abcdef")]);
    let statements = &resources["UserPolicy1"].properties["PolicyDocument"]["Statement"];
    let account = "${AWS::Partition}:iam::${AWS::AccountId}";
    let secrets = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:keyturn";
    assert_eq!(
        statements[0]["Resource"],
        json!([
            { "Fn::Sub": format!("arn:{account}:user/team/a.b/a,b") },
            { "Fn::Sub": format!("arn:{account}:user/ci-abcdef") },
        ])
    );
    assert_eq!(
        statements[1]["Resource"],
        json!([
            { "Fn::Sub": format!("{secrets}/a//b-??????") },
            { "Fn::Sub": format!("{secrets}/ci-abcdef/user-??????") },
        ])
    );
}

#[test]
fn a_user_that_no_policy_can_name_alone_is_refused() {
    for arn in [
        "arn:aws:iam::111122223333:user/a*b/alice",
        "arn:aws:iam::111122223333:user/a?b/alice",
        "arn:aws:iam::111122223333:user/${x}/alice",
        "arn:aws:iam::111122223333:user/bob",
        "arn:aws:iam::111122223333:user/malice",
        "arn:aws:iam::111122223333:role/alice",
        "alice",
    ] {
        let wrong = BoundUser { arn: arn.to_owned(), ..user("alice") };
        assert!(matches!(cell(&config(), &[wrong], &code()), Err(TemplateError::UserArn { .. })), "{arn}");
    }
}

#[test]
fn policies_are_as_long_as_iam_takes_them() {
    let names = |prefix: &str, count: usize| (0..count).map(|n| user(&format!("{prefix}{n:03}"))).collect::<Vec<_>>();
    let longest = names(&"x".repeat(61), 200);
    let Err(TemplateError::TooManyUsers { fitting, asked: 200 }) = cell(&config(), &longest, &code()) else {
        panic!("200 of the longest names are too many for nine policies");
    };
    let fits = resources(&config(), &longest[..fitting]);
    for properties in of_kind(&fits, "AWS::IAM::ManagedPolicy") {
        let text = properties["PolicyDocument"].to_string();
        let text = text.replace("{\"Fn::Sub\":", "").replace("\"}", "\"");
        let text = text.replace("${AWS::Partition}", "aws-us-gov").replace("${AWS::AccountId}", "111122223333");
        let text = text.replace("${AWS::Region}", "eu-central-1");
        assert!(text.len() <= 6_144, "{}", text.len());
    }
    assert!(matches!(
        cell(&config(), &longest[..=fitting], &code()),
        Err(TemplateError::TooManyUsers { fitting: same, .. }) if same == fitting
    ));
    let usual = resources(&config(), &names("team-application-", 200));
    assert!(of_kind(&usual, "AWS::IAM::ManagedPolicy").len() <= 10);
    assert!(usual.len() <= 500);
}

#[test]
fn two_users_never_share_a_secret() {
    let region = Region::new("eu-central-1").expect("a region");
    let mut config = Config::for_users(region, vec![user("alice").name]).expect("it is right");
    config.users[0].secret = Some(SecretName::of_user(&user("bob").name));
    let shared = cell(&config, &[user("alice"), user("bob")], &code());
    assert!(matches!(shared, Err(TemplateError::SharedSecret { .. })));
}

#[test]
fn the_environment_is_what_the_function_reads() {
    let resources = resources(&config(), &[]);
    let function = &resources["Function"].properties;
    let mut variables: BTreeMap<String, Json> =
        serde_json::from_value(function["Environment"]["Variables"].clone()).expect("they are fields");
    assert_eq!(variables.remove(contract::variables::STACK), Some(json!({ "Ref": "AWS::StackName" })));
    let variables: BTreeMap<String, String> =
        variables.into_iter().map(|(name, value)| (name, value.as_str().expect("it is text").to_owned())).collect();
    assert_eq!(contract::Settings::read(|name| variables.get(name).cloned()), Ok(config().settings));
    assert_eq!((&function["Timeout"], &function["MemorySize"]), (&json!(120), &json!(128)));
}

#[test]
fn every_option_is_in_the_template() {
    let mut config = config();
    let text = |text: &str| Some(text.to_owned());
    let key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd";
    config.permissions_boundary = text("arn:aws:iam::111122223333:policy/boundary");
    config.role_path = text("/keyturn/");
    config.kms_key = text(key);
    config.replicas = vec![Region::new("eu-west-1").expect("a region")];
    config.schedule.window = Some(3);
    config.function.architecture = Architecture::Arm64;
    config.function.memory_mib = 256;
    config.function.log_retention_days = 7;
    config.function.vpc = Some(Vpc {
        subnets: vec!["subnet-1".to_owned(), "subnet-2".to_owned()],
        security_groups: vec!["sg-1".to_owned()],
    });
    config.settings.timeout = Duration::from_secs(300);
    config.settings.sweep_every = Duration::from_secs(7_200);
    config.function.secrets = vec!["one".to_owned(), "two".to_owned()];

    let resources = resources(&config, &[user("alice")]);
    let (role, function) = (&resources["Role"].properties, &resources["Function"].properties);
    assert_eq!(role["PermissionsBoundary"], "arn:aws:iam::111122223333:policy/boundary");
    assert_eq!(role["Policies"][0]["PolicyName"], "network");
    for id in ["Role", "FunctionPolicy", "UserPolicy1"] {
        assert_eq!(resources[id].properties["Path"], "/keyturn/", "{id}");
    }
    assert_eq!(function["Architectures"], json!(["arm64"]));
    assert_eq!((&function["MemorySize"], &function["Timeout"]), (&json!(256), &json!(300)));
    assert_eq!(function["VpcConfig"], json!({ "SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"] }));
    assert_eq!(function["Environment"]["Variables"]["secrets"], "one;two");
    assert_eq!(resources["Sweeper"].properties["ScheduleExpression"], "rate(120 minutes)");
    assert_eq!(resources["LogGroup"].properties["RetentionInDays"], 7);
    let decrypt = &resources["FunctionPolicy"].properties["PolicyDocument"]["Statement"][3];
    assert_eq!((&decrypt["Sid"], &decrypt["Resource"]), (&json!("Decrypt"), &json!(key)));
    let secret = &resources[&UserResources::of(&user("alice").name).secret].properties;
    assert_eq!((&secret["KmsKeyId"], &secret["ReplicaRegions"]), (&json!(key), &json!([{ "Region": "eu-west-1" }])));
    let rotation = &resources[&UserResources::of(&user("alice").name).rotation].properties;
    assert_eq!(rotation["RotationRules"]["Duration"], "3h");
}

#[test]
fn without_options_there_is_nothing_of_them() {
    let text = cell(&config(), &[user("alice")], &code()).expect("it fits").to_text();
    for absent in [
        "Parameters",
        "Conditions",
        "!If",
        "NoValue",
        "VpcConfig",
        "PermissionsBoundary",
        "kms:",
        "ec2:",
        "Forward",
        "events:",
    ] {
        assert!(!text.contains(absent), "{absent}");
    }
}

#[test]
fn the_text_reads_back_and_does_not_change() {
    for name in ["no", "1234567", "a+b=c,d.e@f-", "0x1F", "2026-01-01", "=", "-", "@me", "1_000"] {
        let template = cell(&config(), &[user(name)], &code()).expect("it fits");
        let text = template.to_text();
        assert_eq!(Template::parse(&text).expect("it is YAML"), template, "{name}");
        assert_eq!(cell(&config(), &[user(name)], &code()).expect("it fits").to_text(), text);
        let tag = user(name).name.to_tag();
        assert!(
            text.contains(&format!("Value: {}\n", serde_json::to_string(&tag).expect("it is text"))),
            "{name} is quoted"
        );
    }
}

#[test]
fn the_artifact_bucket_is_named_as_the_installer_expects() {
    let bucket = &artifacts(None).expect("it is YAML").resources()[crate::names::ARTIFACTS_BUCKET];
    let name = bucket.properties["BucketName"]["Fn::Sub"].as_str().expect("it has a name");
    let name = name.replace("${AWS::AccountId}", "111122223333").replace("${AWS::Region}", "eu-central-1");
    let account = contract::AccountId::new("111122223333").expect("an account");
    assert_eq!(name, crate::names::artifact_bucket(&account, &config().region));
}

fn alarms(resources: &BTreeMap<String, Resource>) -> Vec<&Json> {
    of_kind(resources, "AWS::CloudWatch::Alarm")
}

/// The metrics that an alarm looks at: namespace, name, the name of the dimension.
fn metrics_of(alarm: &Json) -> Vec<(String, String, String)> {
    let metric = |metric: &Json| {
        let text = |value: &Json| value.as_str().expect("a text").to_owned();
        let dimensions = metric["Dimensions"].as_array().expect("a list");
        assert_eq!(dimensions.len(), 1, "{metric}");
        (text(&metric["Namespace"]), text(&metric["MetricName"]), text(&dimensions[0]["Name"]))
    };
    match alarm.get("Metrics") {
        None => vec![metric(alarm)],
        Some(queries) => queries
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|query| query.get("MetricStat").map(|stat| metric(&stat["Metric"])))
            .collect(),
    }
}

#[test]
fn alarms_look_at_metrics_that_the_function_writes_or_lambda_has() {
    let resources = resources(&config(), &[]);
    let looked_at: Vec<_> = alarms(&resources).into_iter().flat_map(metrics_of).collect();
    // CloudWatch charges for each metric of an alarm.
    assert_eq!(looked_at.len(), 6);
    for (namespace, name, dimension) in looked_at {
        let ours = contract::metrics::ALL.iter().any(|metric| metric.name == name);
        let is_known = match namespace.as_str() {
            contract::metrics::NAMESPACE => ours && dimension == contract::metrics::DIMENSION,
            "AWS/Lambda" => name == "Errors" && dimension == "FunctionName",
            _ => false,
        };
        assert!(is_known, "{namespace} {name} {dimension}");
    }
    let dashboard = &of_kind(&resources, "AWS::CloudWatch::Dashboard")[0]["DashboardBody"];
    for metric in contract::metrics::ALL {
        assert!(dashboard.to_string().contains(metric.name), "{} is not on the dashboard", metric.name);
    }
}

#[test]
fn an_alarm_looks_back_no_further_than_cloudwatch_lets_it() {
    for minutes in [5, 59, 60, 24 * 60] {
        let mut config = config();
        config.settings.sweep_every = Duration::from_mins(minutes);
        let resources = resources(&config, &[]);
        for alarm in alarms(&resources) {
            let period = alarm.get("Period").unwrap_or_else(|| &alarm["Metrics"][1]["MetricStat"]["Period"]);
            let period = period.as_u64().expect("a number");
            assert_eq!(period, minutes * 60);
            // API reference, PutMetricAlarm.
            let longest = if period < 3_600 { 86_400 } else { 604_800 };
            assert!(alarm["EvaluationPeriods"].as_u64().expect("a number") * period <= longest, "{alarm}");
            let description = alarm["AlarmDescription"].as_str().expect("a text");
            assert!((20..300).contains(&description.len()), "{description}");
        }
    }
}

#[test]
fn alarms_tell_whom_the_configuration_names() {
    let told = |email: &[&str], topic: Option<&str>| {
        let email: Vec<String> = email.iter().map(|&address| address.to_owned()).collect();
        let mut config = config();
        config.alerts = Alerts { email, topic: topic.map(str::to_owned), dashboard: false, central: None };
        let resources = resources(&config, &[]);
        let told: Vec<Json> = alarms(&resources).into_iter().map(|alarm| alarm["AlarmActions"].clone()).collect();
        assert!(told.iter().all(|actions| *actions == told[0]));
        assert!(alarms(&resources).iter().all(|alarm| alarm["OKActions"] == told[0]));
        assert_eq!(of_kind(&resources, "AWS::CloudWatch::Dashboard").len(), 0);
        let kinds = ["AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "AWS::SNS::Subscription"];
        (told[0].clone(), kinds.map(|kind| of_kind(&resources, kind).len()))
    };
    let (own, topic) = (json!({ "Ref": "Alerts" }), "arn:aws:sns:eu-central-1:111122223333:pagers");
    assert_eq!(told(&[], None), (json!([]), [0, 0, 0]));
    assert_eq!(told(&[], Some(topic)), (json!([topic]), [0, 0, 0]));
    assert_eq!(told(&["a@b.c", "a@b.cd"], None), (json!([own]), [1, 1, 2]));
    assert_eq!(told(&["a@b.c"], Some(topic)), (json!([own, topic]), [1, 1, 1]));
}

#[test]
fn alarms_are_forwarded_by_every_cell_and_rotations_by_the_first() {
    let bus = "arn:aws:events:eu-central-1:444455556666:event-bus/keyturn-central";
    let mut config = config();
    config.alerts.central = Some(bus.to_owned());
    let forwarded = |number: usize| {
        let resources = numbered_cell(&config, number, &[], &code()).expect("it fits").resources();
        let rules =
            of_kind(&resources, "AWS::Events::Rule").into_iter().filter(|rule| rule.get("EventPattern").is_some());
        let rules: Vec<Json> = rules.cloned().collect();
        let role = &resources["ForwardRole"].properties["Policies"][0]["PolicyDocument"]["Statement"];
        assert_eq!(role[0]["Resource"], bus);
        assert!(rules.iter().all(|rule| rule["Targets"][0]["Arn"] == bus), "{rules:?}");
        // "Event pattern size" in AWS's quotas.
        assert!(rules.iter().all(|rule| rule["EventPattern"].to_string().len() < 2_048), "{rules:?}");
        let own = rules[0]["EventPattern"]["resources"].as_array().expect("a list").len();
        assert_eq!(own, alarms(&resources).len(), "none of the alarms is left out");
        rules.len()
    };
    assert_eq!([1, 2].map(forwarded), [2, 1]);
}

#[test]
fn the_central_stack_tells_whom_it_is_told_to() {
    let told = |emails: &[&str], topic: Option<&str>| {
        let emails: Vec<String> = emails.iter().map(|&address| address.to_owned()).collect();
        let wanted = Central { emails, topic: topic.map(str::to_owned), log_retention_days: 30 };
        let resources = central("o-abcdefghij", &wanted).expect("it can be filled in").resources();
        assert_eq!(resources["LogGroup"].properties["RetentionInDays"], 30);
        let organization = &resources["BusPolicy"].properties["Statement"]["Condition"]["StringEquals"];
        assert_eq!(organization["aws:PrincipalOrgID"], "o-abcdefghij");
        let targets = |id: &str| {
            let rule = resources.get(id)?;
            let targets = rule.properties["Targets"].as_array().expect("a list").iter();
            Some(targets.map(|target| target["Id"].as_str().expect("a text").to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(targets("Alarms"), targets("Recoveries"));
        (targets("Alarms"), of_kind(&resources, "AWS::SNS::Subscription").len())
    };
    let ids = |ids: &[&str]| Some(ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>());
    let topic = Some("arn:aws:sns:eu-central-1:111122223333:pagers");
    assert_eq!(told(&[], None), (None, 0));
    assert_eq!(told(&["a@b.c", "a@b.cd"], None), (ids(&["alerts"]), 2));
    assert_eq!(told(&[], topic), (ids(&["topic"]), 0));
    assert_eq!(told(&["a@b.c"], topic), (ids(&["alerts", "topic"]), 1));
}

#[test]
fn the_function_knows_which_secrets_are_not_called_after_their_users() {
    let (alice, bob) = (user("alice"), user("bob"));
    let mut config = config();
    let variable = |config: &Config| {
        let function = resources(config, &[alice.clone(), bob.clone()]).remove("Function").expect("it is there");
        function.properties["Environment"]["Variables"].get("KEYTURN_OWN_SECRETS").cloned()
    };
    assert_eq!(variable(&config), None);
    let named = |secret: &str| ConfiguredUser {
        secret: Some(SecretName::new(secret).expect("a name")),
        ..ConfiguredUser::named(alice.name.clone())
    };
    config.users = vec![named("prod/alice"), ConfiguredUser::named(bob.name.clone())];
    let expected = contract::OwnSecrets::of([(&alice.name, "prod/alice")]).to_string();
    assert_eq!(variable(&config), Some(json!(expected)));
    // It would pass for bob's.
    config.users = vec![named("keyturn/bob")];
    let error = cell(&config, &[alice.clone(), bob.clone()], &code());
    assert!(matches!(error, Err(TemplateError::SharedSecret { user, .. }) if user == alice.name));
}
