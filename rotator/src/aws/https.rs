//! HTTPS for the SDK: hyper's client and rustls, with what AWS's endpoints need and no more.
//!
//! The SDK's own client also speaks HTTP/2 and to proxies, which a sixth of the function would be for, and reads the machine's
//! certificates in a way that takes two fifths of the first answer
//! (`docs/decisions/2026-11-29-an-https-client-of-our-own.md`).

mod certificates;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::iter::successors;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{self, CaptureConnection, Connect, Connected, capture_connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tower::timeout::Timeout;
use tower::timeout::error::Elapsed;
use tower::util::MapFuture;

use self::certificates::trusted;

/// The longest that it may take until a request can be sent: the name, TCP and TLS. The SDK's own client takes as long.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3100);

/// One client for all services and all keys. It is made, and reads the machine's certificates or those in a file that is named,
/// for the first call.
pub(super) fn client(certificates: Option<String>) -> SharedHttpClient {
    let connector = LazyLock::new(|| connector(trusted(certificates.map(PathBuf::from))));
    http_client_fn(move |_, _| connector.clone())
}

fn connector(trusted: RootCertStore) -> SharedHttpConnector {
    let mut tcp = connect::HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let tls = ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth();
    let connecting = Timeout::new(HttpsConnector::from((tcp, tls)), CONNECT_TIMEOUT);
    let mut client = Client::builder(TokioExecutor::new());
    SharedHttpConnector::new(Https(client.pool_timer(TokioTimer::new()).build(MapFuture::new(connecting, Box::pin))))
}

#[derive(Debug)]
struct Https<C>(Client<C, SdkBody>);

impl<C: Connect + Clone + Send + Sync + std::fmt::Debug + 'static> HttpConnector for Https<C> {
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
            let answer = answer.await.map_err(failure)?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// What has kept the answer away. The SDK tries both again, also where an answer came that cannot be read: whether the call had
/// an effect is not known then, as when none comes.
fn failure(error: legacy::Error) -> ConnectorError {
    let mut causes = successors(error.source(), |&cause| cause.source());
    let is_late = causes.any(|cause| cause.is::<Elapsed>());
    if is_late { ConnectorError::timeout(error.into()) } else { ConnectorError::io(error.into()) }
}

/// What the SDK needs to have a connection not used again, behind which something is wrong.
fn poisonable(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    connection.connection_metadata().as_ref()?;
    let connection = connection.clone();
    let poison = move || connection.connection_metadata().iter().for_each(Connected::poison);
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
}
