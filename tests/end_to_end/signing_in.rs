//! Every kind of credentials, from real files in a home directory, and every way to AWS.

mod mfa;
mod network;
mod profiles;
mod tokens;

use std::path::PathBuf;

use sandbox::{Credentials, Options};
use tempfile::TempDir;

use crate::stage::{ACCOUNT, REGION, Run, Stage, function};

/// What is asked of AWS: who may do it is all that matters here.
fn plan() -> [&'static str; 6] {
    ["--region", REGION, "plan", "alice", "--artifact", function().to_str().unwrap()]
}

/// Lets somebody do everything.
const EVERYTHING: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

/// A stage with a user `me`, who may do nothing but assume roles.
struct Door {
    stage: Stage,
    key: Credentials,
    home: TempDir,
}

impl Door {
    async fn open() -> Self {
        // Sessions end by the clock of AWS, and the SDK compares that with its own.
        #[expect(clippy::disallowed_methods, reason = "the sandbox has to show the time that the SDK sees")]
        let start = jiff::Timestamp::now();
        let stage = Stage::with_options(&["alice", "me"], Options { start, ..Options::default() }).await;
        let key = stage.sandbox.visit(|world| {
            let assume = EVERYTHING.replace(r#""Action":"*""#, r#""Action":"sts:AssumeRole""#);
            world.put_user_policy(ACCOUNT, "me", "roles", &assume).unwrap();
            world.create_access_key(ACCOUNT, "me").unwrap()
        });
        Self { key: key.await, stage, home: TempDir::new().unwrap() }
    }

    /// A role that may do everything.
    async fn role(&self, name: &'static str, principal: &str, condition: &str) -> String {
        let action = if principal.contains("Federated") { "sts:AssumeRoleWithWebIdentity" } else { "sts:AssumeRole" };
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},"Action":"{action}","Condition":{condition}}}}}"#
        );
        let create = move |world: &mut sandbox::World| {
            let arn = world.create_role(ACCOUNT, name, &trust).unwrap();
            world.put_role_policy(ACCOUNT, name, "everything", EVERYTHING).unwrap();
            arn
        };
        self.stage.sandbox.visit(create).await
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Writes `~/.aws/config`, and the user's key into the profile `me` of `~/.aws/credentials`.
    fn configure(&self, config: &str) {
        let Credentials { access_key_id, secret_access_key, .. } = &self.key;
        let key = format!("[me]\naws_access_key_id = {access_key_id}\naws_secret_access_key = {secret_access_key}\n");
        self.write(".aws/credentials", &key);
        self.write(".aws/config", config);
    }

    async fn run(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Run {
        let home = [("HOME", self.home.path().to_str().unwrap())];
        let run = self.stage.keyturn_with(&[&home, environment].concat(), arguments).await;
        self.stage.assert_no_secret_left_behind().await;
        run
    }

    /// Runs `plan` with a profile.
    async fn plan_as(&self, profile: &str) -> Run {
        self.run(&[], &[&["--profile", profile], &plan()[..]].concat()).await
    }

    /// Who looked at the user, and how many sessions were opened until then.
    async fn looked(&self) -> (String, usize) {
        let found = self.stage.sandbox.visit(|world| {
            let looked = world.calls().iter().rfind(|call| call.operation == "iam:GetUser");
            let opened = world.calls().iter().filter(|call| call.operation.starts_with("sts:AssumeRole")).count();
            (looked.map(|call| call.principal.clone()).unwrap_or_default(), opened)
        });
        found.await
    }
}
