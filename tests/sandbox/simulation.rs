//! Contracts of SimulatePrincipalPolicy and GetRole: what is said of calls that nobody makes.

use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType as Decision,
};
use sandbox::{Credentials, Sandbox};
use serde_json::json;

use crate::clients::ACCOUNT;
use crate::identity::{change, error, iam, refusal, start, trust, user};

const ALICE: &str = "arn:aws:iam::111122223333:user/team/alice";
const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:a-AbCdEf";

/// A sandbox in which alice may read one secret, and read users of her team.
async fn with_alice() -> (Sandbox, Credentials) {
    let (sandbox, admin) = start().await;
    user(&sandbox, ACCOUNT, "alice").await;
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "secretsmanager:*", "Resource": SECRET },
        { "Effect": "Deny", "Action": "secretsmanager:DeleteSecret", "Resource": "*" },
        { "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
          "Condition": { "StringEquals": { "iam:PassedToService": "lambda.amazonaws.com" } } },
    ] });
    change(&sandbox, move |world| world.put_user_policy(ACCOUNT, "alice", "hers", &policy.to_string())).await;
    (sandbox, admin)
}

fn told(results: &[EvaluationResult]) -> Vec<(&str, &str, &Decision)> {
    let told = |result| {
        let result: &EvaluationResult = result;
        (result.eval_action_name(), result.eval_resource_name().unwrap_or_default(), result.eval_decision())
    };
    results.iter().map(told).collect()
}

#[tokio::test]
async fn every_action_is_tried_on_every_resource() {
    let (sandbox, admin) = with_alice().await;
    let other = SECRET.replace(":a-", ":b-");
    let asked = iam(&sandbox, &admin).simulate_principal_policy().policy_source_arn(ALICE);
    let asked = asked.action_names("secretsmanager:GetSecretValue").action_names("secretsmanager:DeleteSecret");
    let answer = asked.resource_arns(SECRET).resource_arns(&other).send().await.unwrap();
    let (get, delete) = ("secretsmanager:GetSecretValue", "secretsmanager:DeleteSecret");
    let expected = [
        (get, SECRET, &Decision::Allowed),
        (get, other.as_str(), &Decision::ImplicitDeny),
        (delete, SECRET, &Decision::ExplicitDeny),
        (delete, other.as_str(), &Decision::ExplicitDeny),
    ];
    assert_eq!(told(answer.evaluation_results()), expected);
    assert!(!answer.is_truncated());
    assert!(!sandbox.visit(|world| world.calls().last().unwrap().is_write()).await, "nothing was done");
}

#[tokio::test]
async fn what_conditions_ask_for_is_supplied_or_missed() {
    let (sandbox, admin) = with_alice().await;
    let asked = || {
        let asked = iam(&sandbox, &admin).simulate_principal_policy().policy_source_arn(ALICE);
        asked.action_names("iam:PassRole").resource_arns("arn:aws:iam::111122223333:role/r")
    };
    let answer = asked().send().await.unwrap();
    let result = &answer.evaluation_results()[0];
    assert_eq!(result.eval_decision(), &Decision::ImplicitDeny);
    assert_eq!(result.missing_context_values(), ["iam:PassedToService"]);
    for (service, expected) in
        [("lambda.amazonaws.com", Decision::Allowed), ("ec2.amazonaws.com", Decision::ImplicitDeny)]
    {
        let entry = ContextEntry::builder().context_key_name("iam:PassedToService").context_key_values(service);
        let entry = entry.context_key_type(ContextKeyTypeEnum::String).build();
        let answer = asked().context_entries(entry).send().await.unwrap();
        let result = &answer.evaluation_results()[0];
        assert_eq!((result.eval_decision(), result.missing_context_values().len()), (&expected, 0), "{service}");
    }
}

#[tokio::test]
async fn results_come_in_pages() {
    let (sandbox, admin) = with_alice().await;
    let actions: Vec<String> = (0..5).map(|number| format!("secretsmanager:Operation{number}")).collect();
    let asked = iam(&sandbox, &admin).simulate_principal_policy().policy_source_arn(ALICE).max_items(2);
    let asked = asked.set_action_names(Some(actions.clone())).resource_arns(SECRET);
    let (mut seen, mut pages, mut marker) = (Vec::new(), 0, None);
    loop {
        let page = asked.clone().set_marker(marker).send().await.unwrap();
        seen.extend(page.evaluation_results().iter().map(|result| result.eval_action_name().to_owned()));
        pages += 1;
        marker = page.marker().map(str::to_owned);
        assert_eq!(page.is_truncated(), marker.is_some());
        if marker.is_none() {
            break;
        }
    }
    assert_eq!((seen, pages), (actions, 3));
}

#[tokio::test]
async fn a_simulation_is_for_those_who_may_ask_and_of_somebody_who_is_there() {
    let (sandbox, admin) = with_alice().await;
    let bob = user(&sandbox, ACCOUNT, "bob").await;
    let ask = async |who: &Credentials, of: &str, action: &str| {
        let asked = iam(&sandbox, who).simulate_principal_policy().policy_source_arn(of).action_names(action);
        refusal(asked.send().await)
    };
    assert_eq!(ask(&bob, ALICE, "iam:GetUser").await, error(403, "AccessDenied"));
    assert_eq!(ask(&admin, &ALICE.replace("team/", ""), "iam:GetUser").await, error(404, "NoSuchEntity"));
    assert_eq!(ask(&admin, "arn:aws:iam::111122223333:role/r", "iam:GetUser").await, error(404, "NoSuchEntity"));
    assert_eq!(ask(&admin, "arn:aws:iam::111122223333:root", "iam:GetUser").await, error(400, "InvalidInput"));
    assert_eq!(ask(&admin, ALICE, "GetUser").await, error(400, "InvalidInput"));
    let asked = iam(&sandbox, &admin).simulate_principal_policy().policy_source_arn(ALICE).action_names("iam:GetUser");
    let asked = asked.permissions_boundary_policy_input_list("{}");
    assert_eq!(refusal(asked.send().await), error(501, "SandboxUnsupported"), "a parameter that nobody knows");
}

#[tokio::test]
async fn a_role_is_told_with_its_arn() {
    let (sandbox, admin) = start().await;
    let trusted = trust(ACCOUNT, json!({}));
    let arn = change(&sandbox, move |world| world.create_role(ACCOUNT, "operator", &trusted)).await;
    let client = iam(&sandbox, &admin);
    let role = client.get_role().role_name("operator").send().await.unwrap().role.unwrap();
    assert_eq!((role.arn(), role.path(), role.role_name()), (arn.as_str(), "/", "operator"));
    assert_eq!(refusal(client.get_role().role_name("nobody").send().await), error(404, "NoSuchEntity"));
    let bob = user(&sandbox, ACCOUNT, "bob").await;
    assert_eq!(refusal(iam(&sandbox, &bob).get_role().role_name("operator").send().await), error(403, "AccessDenied"));
}
