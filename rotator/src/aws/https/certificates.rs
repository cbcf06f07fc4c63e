//! The authorities that the machine trusts.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use aws_smithy_types::base64;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::log;

/// The certificates in the file that is named, or else those of the machine.
pub(super) fn trusted(named: Option<PathBuf>) -> RootCertStore {
    let path = named.or_else(|| openssl_probe::probe().cert_file);
    let file = path.as_ref().and_then(|path| File::open(path).ok());
    let trusted = file.map(|file| read(BufReader::new(file))).unwrap_or_else(RootCertStore::empty);
    if trusted.is_empty() {
        log::no_certificates(path.as_deref());
    }
    trusted
}

/// Reads certificates in PEM form (RFC 7468), and keeps of each what tells whom it vouches for. What is between them may be in
/// any encoding, and a certificate that cannot be read is left out.
pub(super) fn read(mut bundle: impl BufRead) -> RootCertStore {
    let mut trusted = RootCertStore::empty();
    let (mut line, mut certificate) = (Vec::new(), Vec::new());
    while bundle.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        match line.trim_ascii_end() {
            b"-----BEGIN CERTIFICATE-----" => certificate.clear(),
            b"-----END CERTIFICATE-----" => {
                if let Some(der) = str::from_utf8(&certificate).ok().and_then(|text| base64::decode(text).ok()) {
                    let _ = trusted.add(CertificateDer::from(der));
                }
            }
            base64 => certificate.extend_from_slice(base64),
        }
        line.clear();
    }
    trusted
}
