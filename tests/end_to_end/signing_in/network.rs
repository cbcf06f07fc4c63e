//! The way to AWS: certificates of one's own, and proxies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::plan as arguments;
use crate::stage::{Run, Stage, settings};

/// A name that nothing resolves but a proxy (RFC 6761).
const AWS: &str = "aws.invalid";

/// A server in front of the sandbox that speaks TLS with a certificate of a private CA.
struct Tls {
    port: u16,
    /// The certificate of the CA, as PEM.
    ca: String,
}

impl Tls {
    async fn start(stage: &Stage) -> Self {
        let (mut authority, key) = (CertificateParams::new(Vec::new()).unwrap(), KeyPair::generate().unwrap());
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = authority.self_signed(&key).unwrap().pem();
        let (server, server_key) = (
            CertificateParams::new(vec!["localhost".to_owned(), AWS.to_owned()]).unwrap(),
            KeyPair::generate().unwrap(),
        );
        let certificate = server.signed_by(&server_key, &Issuer::new(authority, key)).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(server_key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, sandbox) = (listener.local_addr().unwrap().port(), address(stage));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, sandbox) = (acceptor.clone(), sandbox.clone());
                tokio::spawn(async move {
                    // Whoever does not trust the certificate hangs up here.
                    let mut client = acceptor.accept(client).await.ok()?;
                    let mut server = TcpStream::connect(sandbox).await.ok()?;
                    copy_bidirectional(&mut client, &mut server).await.ok()
                });
            }
        });
        Self { port, ca }
    }
}

/// A proxy that leads everything to one address, whatever name it is asked for.
struct Proxy {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    /// With `secret` it wants to see that in `Proxy-Authorization`.
    async fn start(to: String, secret: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(forward(client, to.clone(), secret));
            }
        });
        Self { url, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// `CONNECT` opens a tunnel; a request with the whole URL is handed on as it is, which the sandbox understands.
async fn forward(mut client: TcpStream, to: String, secret: Option<&str>) -> Option<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        client.read_buf(&mut head).await.ok().filter(|read| *read > 0)?;
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    if secret.is_some_and(|secret| !text.contains(secret)) {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        return client.write_all(refusal).await.ok();
    }
    let mut server = TcpStream::connect(to).await.ok()?;
    if text.starts_with(&format!("CONNECT {AWS}:")) {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    } else {
        assert!(text.contains(&format!(" http://{AWS}")), "{text}");
        server.write_all(&head).await.ok()?;
    }
    copy_bidirectional(&mut client, &mut server).await.ok().map(|_| ())
}

fn address(stage: &Stage) -> String {
    stage.sandbox.endpoint().strip_prefix("http://").unwrap().to_owned()
}

async fn plan(stage: &Stage, environment: &[(&str, &str)]) -> Run {
    let key = [
        ("AWS_ACCESS_KEY_ID", stage.admin.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", stage.admin.secret_access_key.as_str()),
    ];
    stage.keyturn_with(&[&key, environment].concat(), &arguments()).await
}

#[tokio::test]
async fn a_private_ca_is_trusted_when_it_is_named() {
    let stage = Stage::with_users(&["alice"]).await;
    let tls = Tls::start(&stage).await;
    let endpoint = ("AWS_ENDPOINT_URL", format!("https://localhost:{}", tls.port));
    let endpoint = (endpoint.0, endpoint.1.as_str());
    let run = plan(&stage, &[endpoint]).await;
    settings().bind(|| insta::assert_snapshot!("a_certificate_of_nobody_known", run));
    // The trusted one need not be the first of a bundle.
    let other = Tls::start(&stage).await;
    std::fs::write(stage.path("bundle.pem"), format!("# ours\n{}{}", other.ca, tls.ca)).unwrap();
    let bundle = stage.path("bundle.pem");
    let run = plan(&stage, &[endpoint, ("AWS_CA_BUNDLE", bundle.to_str().unwrap())]).await;
    assert_eq!(run.code, 0, "{run}");
}

#[tokio::test]
async fn a_bundle_that_cannot_be_used_is_named() {
    let stage = Stage::with_users(&["alice"]).await;
    std::fs::write(stage.path("empty.pem"), "").unwrap();
    std::fs::write(stage.path("odd.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let mut runs = Vec::new();
    for bundle in ["missing.pem", "empty.pem", "odd.pem", "."] {
        runs.push(plan(&stage, &[("AWS_CA_BUNDLE", bundle)]).await.to_string());
    }
    settings().bind(|| insta::assert_snapshot!("bundles_that_cannot_be_used", runs.join("\n")));
    assert_eq!(stage.sandbox.visit(|world| world.calls().len()).await, 0);
}

#[tokio::test]
async fn everything_goes_through_the_proxy() {
    let stage = Stage::with_users(&["alice"]).await;
    let proxy = Proxy::start(address(&stage), None).await;
    let url = format!("http://{}", proxy.url);
    let aws = format!("http://{AWS}");
    let run = plan(&stage, &[("AWS_ENDPOINT_URL", &aws), ("HTTP_PROXY", &url)]).await;
    assert_eq!(run.code, 0, "{run}");
    assert!(proxy.connections() > 0);
    let warning = "warning: the endpoint is on another machine and without TLS";
    assert!(run.stderr.contains(warning), "{run}");
    // What is on this machine, and what `NO_PROXY` names, is asked directly.
    let before = proxy.connections();
    let run = plan(&stage, &[("HTTP_PROXY", &url)]).await;
    assert!(run.code == 0 && !run.stderr.contains(warning), "{run}");
    let run = plan(&stage, &[("AWS_ENDPOINT_URL", &aws), ("HTTP_PROXY", &url), ("NO_PROXY", AWS)]).await;
    assert_eq!((run.code, proxy.connections()), (1, before), "{run}");
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_that_wants_a_password() {
    let stage = Stage::with_users(&["alice"]).await;
    let tls = Tls::start(&stage).await;
    // `me:hunter2` in Base64.
    let proxy = Proxy::start(format!("127.0.0.1:{}", tls.port), Some("Basic bWU6aHVudGVyMg==")).await;
    std::fs::write(stage.path("ca.pem"), &tls.ca).unwrap();
    let aws = format!("https://{AWS}");
    let with = |user: &str| format!("http://{user}{}", proxy.url);
    let (right, wrong) = (with("me:hunter2@"), with("me:hunter3@"));
    let there = [("AWS_ENDPOINT_URL", aws.as_str()), ("AWS_CA_BUNDLE", "ca.pem")];
    let run = plan(&stage, &[&there[..], &[("HTTPS_PROXY", right.as_str())]].concat()).await;
    assert_eq!(run.code, 0, "{run}");
    let run = plan(&stage, &[&there[..], &[("HTTPS_PROXY", wrong.as_str())]].concat()).await;
    assert!(!run.to_string().contains("hunter"), "{run}");
    settings().bind(|| insta::assert_snapshot!("a_proxy_that_wants_another_password", run));
}

#[tokio::test]
async fn a_proxy_that_would_be_left_out_is_refused() {
    let stage = Stage::with_users(&["alice"]).await;
    let environment = [("AWS_ENDPOINT_URL", "http://aws.invalid"), ("ALL_PROXY", "socks5://me:hunter2@proxy:1080")];
    let run = plan(&stage, &environment).await;
    settings().bind(|| insta::assert_snapshot!("a_proxy_that_keyturn_cannot_use", run));
}
