use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::{BehaviorVersion, Region};
use aws_sdk_sts::error::SdkError;
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::*;

const IDENTITY: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/ci</Arn>\
                        </GetCallerIdentityResult></GetCallerIdentityResponse>";

const USER: &str = "arn:aws:iam::111122223333:user/ci";

/// An authority, and a server that it vouches for as `localhost`.
fn certified() -> (Certificate, TlsAcceptor) {
    let (mut params, key) = (CertificateParams::new(Vec::new()).unwrap(), KeyPair::generate().unwrap());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let server_key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&server_key, &Issuer::new(params, key)).unwrap();
    let private = PrivateKeyDer::try_from(server_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![server.der().clone()], private);
    (authority, TlsAcceptor::from(Arc::new(config.unwrap())))
}

/// A client for an endpoint.
fn sts(endpoint: &str, trusted: RootCertStore, retries: RetryConfig) -> aws_sdk_sts::Client {
    let connector = connector(trusted);
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("AKIAEXAMPLE", "secret", None, None, "test"))
        .endpoint_url(endpoint)
        .retry_config(retries)
        .http_client(http_client_fn(move |_, _| connector.clone()));
    aws_sdk_sts::Client::from_conf(config.build())
}

/// Whom an endpoint says the caller is, asked once.
async fn who(endpoint: &str, trusted: RootCertStore) -> Option<String> {
    let asked = sts(endpoint, trusted, RetryConfig::disabled()).get_caller_identity();
    asked.send().await.ok()?.arn
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Answers each request with `status` and `body`, until the client hangs up.
async fn serve(mut connection: impl AsyncRead + AsyncWrite + Unpin, status: &str, body: &str) -> Option<()> {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut request = Vec::new();
    loop {
        let read = connection.read_buf(&mut request).await.ok().filter(|read| *read > 0)?;
        assert!(read < 16 * 1024, "more than a request");
        if request.ends_with(b"Action=GetCallerIdentity&Version=2011-06-15") {
            connection.write_all(answer.as_bytes()).await.ok()?;
            request.clear();
        }
    }
}

#[tokio::test]
async fn only_whom_a_trusted_authority_vouches_for_is_told_anything() {
    let (authority, acceptor) = certified();
    let (other, _) = certified();
    let (listener, port) = listen().await;
    let handshakes = Arc::new(AtomicUsize::new(0));
    let done = Arc::clone(&handshakes);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let Ok(connection) = acceptor.accept(connection).await else { continue };
            done.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve(connection, "200 OK", IDENTITY));
        }
    });
    let bundle = |certificate: &Certificate| certificates::read(certificate.pem().as_bytes());
    let (named, unnamed) = (format!("https://localhost:{port}"), format!("https://127.0.0.1:{port}"));
    assert_eq!(who(&named, bundle(&other)).await, None);
    assert_eq!(who(&named, RootCertStore::empty()).await, None);
    assert_eq!(who(&unnamed, bundle(&authority)).await, None);
    assert_eq!(handshakes.load(Ordering::Relaxed), 0);
    assert_eq!(who(&named, bundle(&authority)).await.as_deref(), Some(USER));
    assert_eq!(handshakes.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_behind_which_something_is_wrong_is_not_used_again() {
    let (listener, port) = listen().await;
    tokio::spawn(async move {
        let (broken, _) = listener.accept().await.unwrap();
        tokio::spawn(serve(broken, "503 Service Unavailable", ""));
        let (sound, _) = listener.accept().await.unwrap();
        serve(sound, "200 OK", IDENTITY).await
    });
    let client = sts(&format!("http://localhost:{port}"), RootCertStore::empty(), RetryConfig::standard());
    let identity = client.get_caller_identity().send().await.unwrap();
    assert_eq!(identity.arn.as_deref(), Some(USER));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_come_to_its_end_is_given_up() {
    // The kernel accepts for it.
    let (_listener, port) = listen().await;
    let client = sts(&format!("https://localhost:{port}"), RootCertStore::empty(), RetryConfig::disabled());
    let begun = Instant::now();
    let asked = tokio::time::timeout(Duration::from_mins(1), client.get_caller_identity().send()).await;
    let error = asked.expect("it ends by itself").unwrap_err();
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout()), "{error:?}");
    assert_eq!(begun.elapsed().as_secs(), 3);
}

#[test]
fn where_no_certificate_is_in_a_file_that_is_named_nobody_is_trusted() {
    assert!(certificates::trusted(Some("/nowhere".into())).is_empty());
    assert!(certificates::trusted(Some("/dev/null".into())).is_empty());
}

#[test]
fn what_can_be_read_of_a_bundle_is_trusted() {
    let [one, two, three] = [(); 3].map(|()| certified().0);
    let cut = two.pem().replacen("MII", "", 1);
    let bundle = format!(
        "{}\n-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----\n{cut}\n\
         -----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n\
         -----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n{}-----BEGIN CERTIFICATE-----\nMII",
        one.pem(),
        three.pem().replace('\n', "\r\n"),
    );
    let bundle = [b"# Autorit\xe9\n", bundle.as_bytes()].concat(); // in Latin-1
    let mut expected = RootCertStore::empty();
    expected.add(one.der().clone()).unwrap();
    expected.add(three.der().clone()).unwrap();
    assert_eq!(certificates::read(bundle.as_slice()).roots, expected.roots);
}
