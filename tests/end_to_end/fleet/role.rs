//! The role that `keyturn template rollout-role` prints: enough for everything that is done in an account, and no more.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_cloudformation::types::{Capability, ChangeSetType};
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use aws_types::SdkConfig;
use sandbox::World;

use super::{account, configure, rollout, served, stage};
use crate::doctor::NEVER_ASKED;
use crate::drift::exchange_code;
use crate::stage::Stage;

/// The calls that were denied to whoever had entered by the role.
pub(super) async fn denied(stage: &Stage) -> Vec<String> {
    let look = |world: &mut World| {
        let denied =
            world.calls().iter().filter(|call| call.is_denied() && call.principal.contains("assumed-role/rollout"));
        denied.map(|call| call.operation.clone()).collect()
    };
    stage.sandbox.visit(look).await
}

/// The way of somebody who may do everything in a member account.
pub(super) async fn entered(stage: &Stage, nth: usize) -> SdkConfig {
    let role = format!("arn:aws:iam::{}:role/OrganizationAccountAccessRole", account(nth));
    let sts = aws_sdk_sts::Client::new(&stage.config());
    let session =
        sts.assume_role().role_arn(role).role_session_name("owner").send().await.unwrap().credentials.unwrap();
    let (id, secret, token) = (session.access_key_id, session.secret_access_key, session.session_token);
    let owner = Credentials::new(id, secret, Some(token), None, "test");
    stage.config().to_builder().credentials_provider(SharedCredentialsProvider::new(owner)).build()
}

/// Deploys the template there.
pub(super) async fn deploy(stage: &Stage, nth: usize, template: &str) {
    let config = entered(stage, nth).await;
    let client = aws_sdk_cloudformation::Client::new(&config);
    let order = client.create_change_set().stack_name("way-in").change_set_name("first");
    let order = order.change_set_type(ChangeSetType::Create).template_body(template);
    order.capabilities(Capability::CapabilityNamedIam).send().await.unwrap();
    client.execute_change_set().stack_name("way-in").change_set_name("first").send().await.unwrap();
    stage.sandbox.settle().await;
}

#[tokio::test]
async fn the_printed_role_is_all_that_a_rollout_needs_in_an_account() {
    let selected = "users: { select: { path: /service/ } }";
    for (users, drift) in [("users: [ci, mail]", &[][..]), (selected, &[]), (selected, &["--drift"])] {
        let stage = stage(1).await;
        configure(&stage, &format!("accounts: ['{}']\n", account(1)));
        let text = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap().replace("users: [ci, mail]", users);
        let access = "access: { role: ops/rollout, external_id: sesame }\ncentral: {}\n";
        std::fs::write(stage.path("fleet.yaml"), text + access).unwrap();
        let printed = stage.keyturn(&[&["template", "rollout-role"], drift].concat()).await;
        assert_eq!(printed.code, 0, "{printed}");

        // Whoever runs the account puts it there, and closes the other way in.
        deploy(&stage, 1, &printed.stdout).await;
        stage.sandbox.visit(|world| world.delete_role(&account(1), "OrganizationAccountAccessRole").unwrap()).await;

        let run = rollout(&stage, drift).await;
        assert_eq!((run.code, denied(&stage).await), (0, Vec::new()), "{run}");
        assert_eq!(served(&stage, 1).await, [1]);
        for arguments in [
            [&["status", "--fleet", "fleet.yaml"], drift].concat(),
            vec!["--yes", "teardown", "--keys", "revoke", "--fleet", "fleet.yaml"],
        ] {
            let run = stage.keyturn(&arguments).await;
            assert_eq!((run.code, denied(&stage).await), (0, Vec::new()), "{run}");
        }
    }
}

/// What IAM says of calls by the role, each with a boundary that the role in question has or gets.
struct Asked {
    iam: aws_sdk_iam::Client,
}

impl Asked {
    async fn allows(&self, action: &str, resource: &str, boundary: Option<&str>) -> bool {
        let principal = format!("arn:aws:iam::{}:role/ops/rollout", account(1));
        let resource = format!("arn:aws:iam::{}:{resource}", account(1));
        let asked = self.iam.simulate_principal_policy().policy_source_arn(principal).action_names(action);
        let entry = |key: &str, value: &str| {
            let entry = ContextEntry::builder().context_key_name(key).context_key_values(value);
            entry.context_key_type(ContextKeyTypeEnum::String).build()
        };
        let of_stack = format!("arn:aws:iam::{}:policy/keyturn-FunctionPolicy-1", account(1));
        let asked = asked.resource_arns(resource).context_entries(entry("iam:PolicyARN", &of_stack));
        let boundary = boundary.map(|arn| entry("iam:PermissionsBoundary", arn));
        let answer =
            boundary.into_iter().fold(asked, |asked, entry| asked.context_entries(entry)).send().await.unwrap();
        answer.evaluation_results()[0].eval_decision() == &PolicyEvaluationDecisionType::Allowed
    }
}

/// The boundary that `defaults` name is each account's own. The role makes nothing without it, and cannot take it off.
#[tokio::test]
async fn the_printed_role_is_held_to_the_boundary_of_the_fleet() {
    let stage = stage(2).await;
    let everything =
        r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } }"#;
    // Its name is like those of the policies that the role may change.
    let create = move |world: &mut World| {
        let own = [1, 2].map(|nth| world.create_policy(&account(nth), "keyturn-FunctionPolicy-0", everything).unwrap());
        own[0].clone()
    };
    let boundary = stage.sandbox.visit(create).await;
    configure(&stage, &format!("accounts: ['{}', '{}']\n", account(1), account(2)));
    let plain =
        std::fs::read_to_string(stage.path("fleet.yaml")).unwrap() + "access: { role: ops/rollout }\ncentral: {}\n";
    let bound = plain.replace("users: [ci, mail]", &format!("users: [ci, mail]\n  permissions_boundary: '{boundary}'"));
    let write = |text: &str| std::fs::write(stage.path("fleet.yaml"), text).unwrap();
    write(&bound);
    let printed = stage.keyturn(&["template", "rollout-role"]).await;
    assert_eq!(printed.code, 0, "{printed}");
    deploy(&stage, 1, &printed.stdout).await;
    deploy(&stage, 2, &printed.stdout).await;

    let asked = Asked { iam: aws_sdk_iam::Client::new(&entered(&stage, 1).await) };
    let (role, forwards) = ("role/keyturn-Role-1", "role/keyturn-ForwardRole-1");
    for (action, resource) in [
        ("iam:CreateRole", role),
        ("iam:AttachRolePolicy", role),
        ("iam:PutRolePermissionsBoundary", role),
        ("iam:PutRolePolicy", forwards),
    ] {
        assert!(asked.allows(action, resource, Some(&boundary)).await, "{action}");
        let other = "arn:aws:iam::aws:policy/AdministratorAccess";
        assert!(!asked.allows(action, resource, Some(other)).await, "{action}");
        assert!(!asked.allows(action, resource, None).await, "{action}");
    }
    assert!(!asked.allows("iam:DeleteRolePermissionsBoundary", role, Some(&boundary)).await);
    for (action, own) in [("iam:CreatePolicyVersion", true), ("iam:CreatePolicy", true), ("iam:DeletePolicy", true)] {
        assert_eq!(asked.allows(action, "policy/keyturn-FunctionPolicy-1", None).await, own, "{action}");
        assert!(!asked.allows(action, "policy/keyturn-FunctionPolicy-0", None).await, "{action}");
    }
    let close = |world: &mut World| {
        [1, 2]
            .into_iter()
            .try_for_each(|nth| world.delete_role(&account(nth), "OrganizationAccountAccessRole"))
            .unwrap();
    };
    stage.sandbox.visit(close).await;

    // Without the boundary there is no role, so that nothing can be run with it.
    write(&plain);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 4 && run.stdout.contains("iam:CreateRole"), "{run}");
    write(&bound);
    let run = rollout(&stage, &[]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(served(&stage, 2).await, [1, 2]);
    // Nor is it taken off.
    write(&plain);
    let run = rollout(&stage, &[]).await;
    assert!(run.code == 4 && run.stdout.contains("iam:DeleteRolePermissionsBoundary"), "{run}");
    write(&bound);
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke", "--fleet", "fleet.yaml"]).await;
    assert_eq!(run.code, 0, "{run}");
}

/// What the printed role allows and the life below does not need.
async fn unneeded(stage: &Stage) -> Vec<String> {
    let role = format!("arn:aws:iam::{}:role/ops/rollout", account(1));
    stage.sandbox.visit(move |world| world.unneeded(&role).unwrap()).await
}

/// What the role allows besides [`NEVER_ASKED`] without the life below needing it, and why it is there all the same.
const UNTRIED: &[(&str, &str)] = &[
    (
        "cloudwatch:describealarms",
        "CloudFormation looks for the alarm before it makes it; in the sandbox with drift only",
    ),
    ("cloudwatch:getdashboard", "the same of the dashboard"),
    ("events:describerule", "the same of the rules"),
    ("iam:getpolicy", "the same of the policies"),
    ("iam:getrole", "the same of the roles"),
    ("lambda:getpolicy", "the same of the function's permissions"),
    ("logs:describeloggroups", "the same of the log"),
    ("secretsmanager:untagresource", "`keyturn release` by the same role"),
    ("user/ci", "a name says nothing of the path, so the role has both forms; these users have a path"),
    ("user/mail", "the same"),
];

/// Rolls out, changes what can be changed, looks, and takes everything away; gives what of the role nothing has needed.
async fn live_by_the_role(users: &str) -> Vec<String> {
    let stage = stage(1).await;
    let mean = async |user| {
        stage.sandbox.visit(move |world| world.tag_user(&account(1), user, "rotate", "yes").unwrap()).await;
    };
    let write = |users: &str, more: &str| {
        configure(&stage, &format!("accounts: ['{}']\n", account(1)));
        let text = std::fs::read_to_string(stage.path("fleet.yaml")).unwrap().replace("users: [ci, mail]", users);
        let text = text.replace("alerts: { dashboard: false }", more);
        let access = "access: { role: ops/rollout, external_id: sesame }\ncentral: {}\n";
        std::fs::write(stage.path("fleet.yaml"), text + access).unwrap();
    };
    write(users, "tags: { team: security }");
    let printed = stage.keyturn(&["template", "rollout-role"]).await;
    assert_eq!(printed.code, 0, "{printed}");
    deploy(&stage, 1, &printed.stdout).await;
    let begin = |world: &mut World| {
        world.delete_role(&account(1), "OrganizationAccountAccessRole").unwrap();
        world.note_needs();
    };
    stage.sandbox.visit(begin).await;
    let run = async |arguments: &[&str]| {
        let run = stage.keyturn(arguments).await;
        assert_eq!((run.code, denied(&stage).await), (0, Vec::new()), "{arguments:?}: {run}");
    };
    let artifact = crate::stage::function().to_str().unwrap();
    // First one user, and then the other too.
    mean("ci").await;
    write(&users.replace("[ci, mail]", "[ci]"), "tags: { team: security }");
    run(&["plan", "--fleet", "fleet.yaml", "--artifact", artifact]).await;
    run(&["--yes", "rollout", "--artifact", artifact]).await;
    mean("mail").await;
    write(users, "function: { memory: 256, log_retention: 30d }\n  schedule: { every: 45d }");
    exchange_code(&stage, &account(1)).await;
    run(&["--yes", "rollout", "--artifact", artifact]).await;
    run(&["status", "--fleet", "fleet.yaml"]).await;
    // The secrets stay, and join the next stack.
    run(&["--yes", "teardown", "--fleet", "fleet.yaml"]).await;
    run(&["--yes", "rollout", "--artifact", artifact]).await;
    run(&["--yes", "teardown", "--keys", "revoke", "--fleet", "fleet.yaml"]).await;
    unneeded(&stage).await
}

#[tokio::test]
async fn the_printed_role_allows_nothing_that_nobody_needs() {
    let mut untried = Vec::new();
    for users in ["users: [ci, mail]", "users: { select: { path: /service/, tags: { rotate: '*' } } }"] {
        untried.extend(live_by_the_role(users).await);
    }
    let is_never_asked = |what: &String| NEVER_ASKED.iter().any(|action| what.ends_with(&action.to_lowercase()));
    untried.retain(|what| !is_never_asked(what));
    let has_reason = |what: &String| UNTRIED.iter().any(|(end, _)| what.ends_with(end));
    let without: Vec<_> = untried.iter().filter(|what| !has_reason(what)).collect();
    assert_eq!(without, [] as [&String; 0], "nothing needs it, and nothing says why it is there");
    let tried: Vec<_> = UNTRIED.iter().filter(|(end, _)| !untried.iter().any(|what| what.ends_with(end))).collect();
    assert_eq!(tried, [] as [&(&str, &str); 0], "this is needed by now");
}
