//! The role that `keyturn template rollout-role` prints: enough for everything that is done in an account, and no more.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_cloudformation::types::{Capability, ChangeSetType};
use aws_types::SdkConfig;
use sandbox::World;

use super::{account, configure, rollout, served, stage};
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

/// The way of somebody who may do everything in the member account.
pub(super) async fn entered(stage: &Stage) -> SdkConfig {
    let role = format!("arn:aws:iam::{}:role/OrganizationAccountAccessRole", account(1));
    let sts = aws_sdk_sts::Client::new(&stage.config());
    let session =
        sts.assume_role().role_arn(role).role_session_name("owner").send().await.unwrap().credentials.unwrap();
    let (id, secret, token) = (session.access_key_id, session.secret_access_key, session.session_token);
    let owner = Credentials::new(id, secret, Some(token), None, "test");
    stage.config().to_builder().credentials_provider(SharedCredentialsProvider::new(owner)).build()
}

/// Deploys the template there.
pub(super) async fn deploy(stage: &Stage, template: &str) {
    let config = entered(stage).await;
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
        deploy(&stage, &printed.stdout).await;
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
