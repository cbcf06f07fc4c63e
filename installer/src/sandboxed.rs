//! A session in a sandbox, for the tests of what has effects.

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use sandbox::{Options, Sandbox};
use tokio::sync::watch;

use crate::aws::Clients;
use crate::session::Session;
use crate::ui::{Format, Interrupts, Printer};

/// The account and the region in which everything happens.
pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-central-1";

/// A sandbox, and a session of somebody who may do everything in it.
pub(crate) struct Sandboxed {
    pub(crate) sandbox: Sandbox,
    pub(crate) session: Session,
    /// How often Ctrl-C was pressed.
    pub(crate) presses: watch::Sender<u32>,
}

impl Sandboxed {
    /// Nobody is asked anything: every question is answered with yes, or has nobody to answer it.
    pub(crate) async fn start(options: Options, yes: bool) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let key = sandbox.visit(|world| world.create_account(ACCOUNT)).await.unwrap();
        let credentials = Credentials::new(key.access_key_id, key.secret_access_key, None, None, "test");
        let config = aws_types::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(sandbox.endpoint())
            .http_client(
                aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
            )
            .region(aws_types::region::Region::new(REGION))
            .retry_config(aws_smithy_types::retry::RetryConfig::disabled())
            .build();
        let printer = Printer::new(Format::Text, yes);
        let (presses, interrupts) = Interrupts::by_hand();
        let session = Session { clients: Clients::over(&config), printer, interrupts, seed: 7 };
        Self { sandbox, session, presses }
    }

    /// The names and statuses of the stacks that there are.
    pub(crate) async fn stacks(&self) -> Vec<(String, String)> {
        let stacks = self.sandbox.visit(|world| world.stacks()).await;
        let exist = stacks.into_iter().filter(|stack| stack.status != "DELETE_COMPLETE");
        exist.map(|stack| (stack.name, stack.status)).collect()
    }
}
