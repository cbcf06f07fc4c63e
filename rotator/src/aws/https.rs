//! HTTPS for the SDK: hyper's client and rustls, with what AWS's endpoints need and no more.
//!
//! The SDK's own client also speaks HTTP/2 and to proxies, which a sixth of the function would be for, and reads the machine's
//! certificates in a way that takes most of the time of the first answer
//! (`docs/decisions/2026-11-29-an-https-client-of-our-own.md`).

mod certificates;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{self, CaptureConnection, Connected, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

use self::certificates::trusted;

/// The longest that connecting may take. The SDK's own client takes as long.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3100);

/// One client for all services and all keys, which is made, and reads the machine's certificates, for the first call.
pub(super) fn client() -> SharedHttpClient {
    static CONNECTOR: LazyLock<SharedHttpConnector> = LazyLock::new(|| SharedHttpConnector::new(Https::new(trusted())));
    http_client_fn(|_, _| CONNECTOR.clone())
}

#[derive(Debug)]
struct Https(Client<HttpsConnector<connect::HttpConnector>, SdkBody>);

impl Https {
    fn new(trusted: RootCertStore) -> Self {
        let mut tcp = connect::HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let tls = ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth();
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let mut client = Client::builder(TokioExecutor::new());
        Self(client.pool_timer(TokioTimer::new()).build(https.wrap_connector(tcp)))
    }
}

impl HttpConnector for Https {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || poisonable(&connection));
        }
        let answer = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// What the SDK needs to have a connection not used again, behind which something is wrong.
fn poisonable(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    connection.connection_metadata().as_ref()?;
    let connection = connection.clone();
    let poison = move || connection.connection_metadata().iter().for_each(Connected::poison);
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
}
