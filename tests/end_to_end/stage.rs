//! A stage for one test: a sandboxed account, the function, and `keyturn` with an environment of its own.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_iam::config::BehaviorVersion;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_types::SdkConfig;
use aws_types::region::Region;
use sandbox::{Credentials, Options, Sandbox};
use tempfile::TempDir;

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-central-1";

/// The rotation function as it is deployed, built once.
pub(crate) fn function() -> &'static Path {
    static FUNCTION: OnceLock<PathBuf> = OnceLock::new();
    FUNCTION.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let status = std::process::Command::new(env!("CARGO"))
            .args(["build", "--profile", "function", "--package", "rotator", "--bin", "bootstrap", "--target-dir"])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(status.success(), "the function does not build");
        target.join("function/bootstrap")
    })
}

pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) admin: Credentials,
    directory: TempDir,
}

/// How a run of `keyturn` ended.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Stage {
    /// A stage with these users, each without a key.
    pub(crate) async fn with_users(users: &[&str]) -> Self {
        Self::with_options(users, Options::default()).await
    }

    pub(crate) async fn with_options(users: &[&str], options: Options) -> Self {
        Self::with_account_in(users, options, REGION).await
    }

    /// The same with an account in the partition of `region`.
    pub(crate) async fn with_account_in(users: &[&str], options: Options, region: &'static str) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let users: Vec<String> = users.iter().map(|&user| user.to_owned()).collect();
        let admin = sandbox.visit(move |world| {
            let admin = world.create_account_in(ACCOUNT, region).unwrap();
            for user in &users {
                world.create_user(ACCOUNT, user, "/").unwrap();
            }
            admin
        });
        Self { admin: admin.await, sandbox, directory: TempDir::new().unwrap() }
    }

    /// Writes `keyturn.yaml`.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(self.directory.path().join("keyturn.yaml"), text).unwrap();
    }

    /// A file of the stage's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs `keyturn` as the account's administrator.
    pub(crate) async fn keyturn(&self, arguments: &[&str]) -> Run {
        self.keyturn_as(&self.admin.access_key_id, &self.admin.secret_access_key, arguments).await
    }

    /// Runs `keyturn bootstrap` with the function that is built already.
    pub(crate) async fn bootstrap(&self, arguments: &[&str]) -> Run {
        let artifact = function().to_str().unwrap();
        let fixed = ["--region", REGION, "--yes", "bootstrap", "--artifact", artifact];
        self.keyturn(&[&fixed, arguments].concat()).await
    }

    /// Runs `keyturn` with the given access key.
    pub(crate) async fn keyturn_as(&self, id: &str, secret: &str, arguments: &[&str]) -> Run {
        let environment = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)];
        self.keyturn_with(&environment, arguments).await
    }

    /// Runs `keyturn` with nothing in its environment but what is given, the endpoint, and an empty home.
    pub(crate) async fn keyturn_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Run {
        self.start(environment, arguments, &AtomicU32::new(0)).await
    }

    /// Runs `keyturn` as the account's administrator, and notes the number of its process for whoever wants to kill it.
    pub(crate) async fn keyturn_noted(&self, process: &AtomicU32, arguments: &[&str]) -> Run {
        let Credentials { access_key_id, secret_access_key, .. } = &self.admin;
        let environment = [("AWS_ACCESS_KEY_ID", access_key_id.as_str()), ("AWS_SECRET_ACCESS_KEY", secret_access_key)];
        self.start(&environment, arguments, process).await
    }

    async fn start(&self, environment: &[(&str, &str)], arguments: &[&str], process: &AtomicU32) -> Run {
        let run = self.launch(environment, arguments, process).await;
        self.assert_no_secret_in(&[("stdout", &run.stdout), ("stderr", &run.stderr)]).await;
        run
    }

    /// Runs the one command whose stdout may hold a secret.
    pub(crate) async fn credentials_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Run {
        let run = self.launch(environment, &[&["credentials"], arguments].concat(), &AtomicU32::new(0)).await;
        self.assert_no_secret_in(&[("stderr", &run.stderr)]).await;
        run
    }

    async fn launch(&self, environment: &[(&str, &str)], arguments: &[&str], process: &AtomicU32) -> Run {
        let child = tokio::process::Command::new(env!("CARGO_BIN_EXE_keyturn"))
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("HOME", self.directory.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL", self.sandbox.endpoint())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        process.store(child.id().unwrap(), Ordering::SeqCst);
        let output = child.wait_with_output().await.unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Greps for the secret half of every access key that was ever made here, and for every session token.
    async fn assert_no_secret_in(&self, texts: &[(&str, &str)]) {
        let forbidden = self.sandbox.visit(|world| world.forbidden()).await;
        // The administrator's, at least.
        assert!(forbidden.contains(&self.admin.secret_access_key));
        for (name, text) in texts {
            assert!(!forbidden.is_in(text), "a secret is in {name}");
        }
    }

    /// Greps everything that outlives a run: the function's logs, templates, events, tags, outputs, and the stage's
    /// directory.
    pub(crate) async fn assert_no_secret_left_behind(&self) {
        let texts = self.sandbox.visit(|world| world.readable_texts()).await;
        let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        self.assert_no_secret_in(&texts).await;
        for file in files_below(self.directory.path()) {
            let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
            self.assert_no_secret_in(&[(&file.display().to_string(), &text)]).await;
        }
    }

    /// A client configuration with the administrator's key. Nothing is retried: faults are meant to be seen.
    pub(crate) fn config(&self) -> SdkConfig {
        let Credentials { access_key_id, secret_access_key, .. } = &self.admin;
        let credentials = aws_credential_types::Credentials::new(access_key_id, secret_access_key, None, None, "test");
        let tls = tls::Provider::Rustls(CryptoMode::Ring);
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(self.sandbox.endpoint())
            .http_client(aws_smithy_http_client::Builder::new().tls_provider(tls).build_https())
            .region(Region::new(REGION))
            .retry_config(RetryConfig::disabled())
            .build()
    }

    pub(crate) fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.config())
    }

    /// Asks Secrets Manager to rotate a user's secret, as a person does in the console.
    pub(crate) async fn rotate_secret(&self, user: &str) {
        self.secrets().rotate_secret().secret_id(format!("keyturn/{user}")).send().await.unwrap();
    }

    /// The same when the rotation before has not come to its end: Secrets Manager refuses, and takes that one up again.
    pub(crate) async fn rotate_secret_again(&self, user: &str) {
        let refusal = self.secrets().rotate_secret().secret_id(format!("keyturn/{user}")).send().await.unwrap_err();
        assert!(refusal.into_service_error().is_invalid_request_exception());
    }

    /// Sends an event to the function. Gives the kind of error, if it was one, and the answer.
    pub(crate) async fn invoke(&self, event: &[u8]) -> (Option<String>, serde_json::Value) {
        let client = aws_sdk_lambda::Client::new(&self.config());
        let call = client.invoke().function_name("keyturn").payload(aws_sdk_lambda::primitives::Blob::new(event));
        let answer = call.send().await.unwrap();
        let payload = answer.payload.map(|payload| serde_json::from_slice(payload.as_ref()).unwrap());
        (answer.function_error, payload.unwrap_or_default())
    }

    /// What the function of the deployment `keyturn` has logged so far.
    pub(crate) async fn function_log(&self) -> String {
        self.sandbox.visit(|world| world.function_log(ACCOUNT, REGION, "keyturn")).await
    }

    /// The write calls so far, as `principal operation`, and forgets them.
    pub(crate) async fn take_writes(&self) -> Vec<String> {
        let taken = self.sandbox.visit(|world| {
            let writes =
                world.calls().iter().filter(|call| call.is_write()).map(|call| call.operation.clone()).collect();
            world.clear_calls();
            writes
        });
        taken.await
    }
}

/// How a run is compared with its snapshot: without what differs from run to run.
pub(crate) fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/end_to_end/snapshots"));
    settings.set_prepend_module_to_snapshot(true);
    settings.set_omit_expression(true);
    for (what_differs, name) in [
        (r"http://127\.0\.0\.1:[0-9]+", "[endpoint]"),
        (r"/[^ `]*/\.tmp[0-9A-Za-z]+", "[directory]"),
        (r"\bAKIA[A-Z2-7]{16}\b", "[key]"),
        (r"\bAIDA[A-Z2-7]{17}\b", "[user id]"),
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "[uuid]"),
        (r"\b[0-9a-f]{64}\b", "[sha256]"),
        (r"(:secret:[^ ]+)-[A-Za-z0-9]{6}\b", "$1-[suffix]"),
        (r"\bkeyturn-(Role|FunctionPolicy|UserPolicy1)-[A-Z0-9]+\b", "keyturn-$1-[suffix]"),
        (r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z\b", "[time]"),
        (r"\b[0-9]+ (second|minute)s?\b", "[a while]"),
    ] {
        settings.add_filter(what_differs, name);
    }
    settings
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code: {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}
