//! What a request says of its body, compared with the body.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::ApiError;

/// Checks the checksums that the headers give. One that the sandbox cannot compute is an error.
pub(super) fn check(headers: &BTreeMap<String, String>, body: &[u8]) -> Result<(), ApiError> {
    for (name, given) in headers {
        let computed = match name.as_str() {
            "content-md5" => return Err(ApiError::unknown("header", name)),
            "x-amz-checksum-sha256" => sha256(body),
            "x-amz-checksum-crc32" => BASE64_STANDARD.encode(crc32fast::hash(body).to_be_bytes()),
            other if other.starts_with("x-amz-checksum-") && other != "x-amz-checksum-mode" => {
                return Err(ApiError::unknown("checksum", other));
            }
            _ => continue,
        };
        if *given != computed {
            let message = format!("The value specified in the {name} header did not match what we computed.");
            return Err(ApiError::new("BadDigest", message));
        }
    }
    Ok(())
}

/// The SHA-256 of an object, as whoever stores it may give it.
pub(super) fn sha256(body: &[u8]) -> String {
    BASE64_STANDARD.encode(Sha256::digest(body))
}

/// The checksum of an object, in hexadecimal, in the form of an entity tag. AWS's tags are "an opaque value".
pub(super) fn etag(body: &[u8]) -> String {
    let digest: String = Sha256::digest(body).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digest}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_must_match_and_be_known() {
        let check = |name: &str, value: &str| check(&BTreeMap::from([(name.to_owned(), value.to_owned())]), b"hello");
        assert_eq!(check("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="), Ok(()));
        assert_eq!(check("x-amz-checksum-crc32", "NhCmhg=="), Ok(()));
        assert_eq!(check("x-amz-checksum-crc32", "AAAAAA==").unwrap_err().code, "BadDigest");
        assert_eq!(check("x-amz-checksum-sha1", "x").unwrap_err().code, "SandboxUnsupported");
    }
}
