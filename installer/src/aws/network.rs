//! How AWS is reached: the certificates that are trusted, the proxy, and the one HTTP client over both.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::environment::Environment;

/// A network that cannot be used as the environment says.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NetworkError {
    #[error("cannot read `AWS_CA_BUNDLE`, which is `{}`", path.display())]
    Bundle {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("`AWS_CA_BUNDLE`, which is `{}`, {problem}", path.display())]
    Certificates { path: PathBuf, problem: &'static str },
    #[error("`{variable}` is not a proxy that keyturn can use")]
    Proxy { variable: &'static str },
    #[error("`KEYTURN_TRY_SECONDS`, which is `{0}`, is no number of seconds from 1 to 3600")]
    TrySeconds(String),
    #[error("the TLS configuration cannot be made: {0}")]
    Tls(String),
}

impl NetworkError {
    /// What to do now.
    pub fn hint(&self) -> String {
        match self {
            Self::Bundle { .. } | Self::Certificates { .. } => {
                "name a file of certificates in PEM form, or unset `AWS_CA_BUNDLE`: those of the system are trusted anyway"
                    .to_owned()
            }
            // The value is not shown: it may hold a password.
            Self::Proxy { variable } => {
                format!("set `{variable}` to `http://host:port` or `https://host:port`, or unset it; SOCKS is not supported")
            }
            Self::TrySeconds(_) => "unset `KEYTURN_TRY_SECONDS`: a try of a call may take 90 seconds then".to_owned(),
            Self::Tls(_) => "unset `AWS_CA_BUNDLE` and try again".to_owned(),
        }
    }
}

/// How long one try of a call may take, when nothing else is said: with the upload of a zip of some megabytes over a slow
/// line in mind.
const TRY_WITHIN: Duration = Duration::from_secs(90);

/// How long one try of a call may take, from connecting to the last byte of the answer.
///
/// # Errors
/// [`NetworkError::TrySeconds`].
pub(super) fn try_within(environment: &Environment) -> Result<Duration, NetworkError> {
    let Some(text) = &environment.try_seconds else { return Ok(TRY_WITHIN) };
    let seconds = text.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| NetworkError::TrySeconds(text.clone()))
}

/// The client for every call. An endpoint on this machine is never asked through a proxy, as if `NO_PROXY` named it.
///
/// # Errors
/// [`NetworkError`].
pub(super) fn client(environment: &Environment, endpoint_url: Option<&str>) -> Result<SharedHttpClient, NetworkError> {
    let context = tls_context(environment.ca_bundle.as_deref())?;
    let proxy = if endpoint_url.is_some_and(is_on_this_machine) {
        ProxyConfig::disabled()
    } else {
        check_proxies(environment)?;
        // `NO_PROXY` is read along.
        ProxyConfig::from_env()
    };
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context.clone())
            .proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    });
    Ok(client)
}

fn tls_context(bundle: Option<&Path>) -> Result<TlsContext, NetworkError> {
    let mut trusted = TrustStore::default();
    if let Some(path) = bundle {
        let pem = std::fs::read(path).map_err(|source| NetworkError::Bundle { path: path.to_owned(), source })?;
        check_certificates(&pem).map_err(|problem| NetworkError::Certificates { path: path.to_owned(), problem })?;
        trusted.add_pem_certificate(pem);
    }
    TlsContext::builder().with_trust_store(trusted).build().map_err(|error| NetworkError::Tls(error.to_string()))
}

/// Whether all of a bundle can be trusted: the SDK itself panics on what it cannot read.
fn check_certificates(pem: &[u8]) -> Result<(), &'static str> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "is damaged")?;
        roots.add(certificate).map_err(|_| "holds a certificate that cannot be read")?;
    }
    if roots.is_empty() { Err("holds no certificate") } else { Ok(()) }
}

/// The SDK goes without a proxy when it does not understand its URL; where a proxy is the only way out, that would be
/// told as a network that is down.
fn check_proxies(environment: &Environment) -> Result<(), NetworkError> {
    let is_proxy = |url: &str| {
        // curl's short form without a scheme is taken for HTTP.
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        ProxyConfig::all(url.as_str()).is_ok()
    };
    let unusable = environment.proxies.iter().find(|(_, url)| !is_proxy(url));
    unusable.map_or(Ok(()), |(variable, _)| Err(NetworkError::Proxy { variable }))
}

fn is_on_this_machine(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(authority, |(host, _)| host);
    let address: Option<std::net::IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

/// Whether calls to an endpoint can be read by whoever is on the way.
pub(super) fn is_exposed(url: &str) -> bool {
    url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://")) && !is_on_this_machine(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_go_without_a_proxy() {
        for here in ["http://127.0.0.1:4566", "http://localhost:1/", "http://[::1]:80", "http://127.9.9.9"] {
            assert!(is_on_this_machine(here), "{here}");
        }
        for elsewhere in ["https://sts.amazonaws.com", "http://127.0.0.1.example.com", "http://10.0.0.1:80", ""] {
            assert!(!is_on_this_machine(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn whoever_is_on_the_way_reads_what_goes_elsewhere_without_tls() {
        assert!(is_exposed("http://10.0.0.1:4566") && is_exposed("HTTP://localstack"));
        assert!(!is_exposed("http://127.0.0.1:4566") && !is_exposed("https://localstack") && !is_exposed("httpé"));
    }

    #[test]
    fn a_proxy_that_would_be_left_out_is_refused_without_its_password() {
        let with = |url: &str| Environment { proxies: vec![("HTTPS_PROXY", url.to_owned())], ..Environment::default() };
        for fine in ["http://proxy:3128", "https://me:secret@proxy", "proxy.example.com:3128"] {
            assert!(check_proxies(&with(fine)).is_ok(), "{fine}");
        }
        for unusable in ["socks5://me:hunter2@proxy:1080", "http://", "http://me:hunter2@pro xy"] {
            let error = check_proxies(&with(unusable)).unwrap_err();
            assert_eq!(error.to_string(), "`HTTPS_PROXY` is not a proxy that keyturn can use", "{unusable}");
            assert!(!format!("{error:?} {}", error.hint()).contains("hunter2"));
        }
    }

    #[test]
    fn a_bundle_without_certificates_is_refused() {
        let damaged = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        let key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(check_certificates(b""), Err("holds no certificate"));
        assert_eq!(check_certificates(b"\x00\x01 no PEM at all"), Err("holds no certificate"));
        assert_eq!(check_certificates(key), Err("holds no certificate"));
        assert_eq!(check_certificates(damaged), Err("holds a certificate that cannot be read"));
        assert_eq!(check_certificates(cut), Err("is damaged"));
    }
}
