//! Signature Version 4, as it stands in an Authorization header, and whether a secret access key made it.
//!
//! The rules are those of "Create a signed AWS API request" in the IAM user guide. Paths are taken as they were sent:
//! a client that sends dot segments or doubled slashes to anything but S3 is refused.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest, Sha256};

use crate::ApiError;
use crate::request::HttpRequest;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a request says of its own signature.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) key_id: String,
    pub(crate) region: String,
    pub(crate) service: String,
    /// The day in the scope, `yyyymmdd`.
    day: String,
    /// The moment of signing, `yyyymmddThhmmssZ`.
    moment: String,
    signed_headers: Vec<String>,
    signature: String,
}

impl Claim {
    /// Reads the Authorization header.
    pub(crate) fn read(http: &HttpRequest) -> Result<Self, ApiError> {
        let header = http.headers.get("authorization").map(String::as_str).unwrap_or_default();
        let (algorithm, fields) = header.split_once(' ').unwrap_or_default();
        if algorithm != ALGORITHM {
            return Err(ApiError::unknown("signature algorithm", algorithm));
        }
        let field = |name: &str| {
            let found = fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| incomplete(&format!("Authorization header requires '{name}' parameter.")))
        };
        let credential: Vec<&str> = field("Credential")?.split('/').collect();
        let [key_id, day, region, service, "aws4_request"] = credential.as_slice() else {
            return Err(incomplete("Credential must have 5 elements, the last of them 'aws4_request'."));
        };
        let claim = Self {
            key_id: (*key_id).to_owned(),
            region: (*region).to_owned(),
            service: (*service).to_owned(),
            day: (*day).to_owned(),
            moment: http.headers.get("x-amz-date").cloned().unwrap_or_default(),
            signed_headers: field("SignedHeaders")?.split(';').map(str::to_owned).collect(),
            signature: field("Signature")?.to_owned(),
        };
        claim.check_headers(http)?;
        Ok(claim)
    }

    /// Whether whoever signed the request knows `secret`.
    pub(crate) fn is_proven_by(&self, secret: &str, http: &HttpRequest) -> Result<bool, ApiError> {
        let canonical = self.canonical_request(http)?;
        let scope = format!("{}/{}/{}/aws4_request", self.day, self.region, self.service);
        let text = format!("{ALGORITHM}\n{}\n{scope}\n{}", self.moment, digest(canonical.as_bytes()));
        let key = [self.day.as_str(), &self.region, &self.service, "aws4_request"]
            .iter()
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
        Ok(hex(&mac(&key, &text)) == self.signature)
    }

    /// A header that steers a request must be signed, or whoever is on the way could change it.
    fn check_headers(&self, http: &HttpRequest) -> Result<(), ApiError> {
        if !self.moment.starts_with(&self.day) || self.moment.len() != "yyyymmddThhmmssZ".len() {
            return Err(incomplete("The header 'X-Amz-Date' must be there and agree with the credential scope."));
        }
        let steers = |name: &str| name == "host" || name.starts_with("x-amz-");
        match http.headers.keys().find(|name| steers(name) && !self.signed_headers.contains(name)) {
            Some(name) => Err(incomplete(&format!("The header '{name}' must be signed."))),
            None => Ok(()),
        }
    }

    fn canonical_request(&self, http: &HttpRequest) -> Result<String, ApiError> {
        // Every service but S3 encodes the path once more than it was for sending.
        let path =
            if self.is_for_s3() { encoded(&decoded(&http.path), b"/") } else { encoded(http.path.as_bytes(), b"/") };
        let mut headers = String::new();
        for name in &self.signed_headers {
            let value = http.headers.get(name).map(String::as_str).unwrap_or_default();
            let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
            headers.push_str(&format!("{name}:{}\n", words.join(" ")));
        }
        let (method, query) = (&http.method, canonical_query(&http.query));
        let (names, payload) = (self.signed_headers.join(";"), self.payload(http)?);
        Ok(format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{payload}"))
    }

    /// What stands for the body in the canonical request: its hash, or for S3 also the word for "not signed".
    fn payload(&self, http: &HttpRequest) -> Result<String, ApiError> {
        let hash = digest(&http.body);
        if !self.is_for_s3() {
            return Ok(hash);
        }
        match http.headers.get("x-amz-content-sha256").map(String::as_str) {
            Some(word @ ("UNSIGNED-PAYLOAD" | "STREAMING-UNSIGNED-PAYLOAD-TRAILER")) => Ok(word.to_owned()),
            Some(word) if word.starts_with("STREAMING-") => Err(ApiError::unknown("payload signature", word)),
            Some(claimed) if *claimed == hash => Ok(hash),
            Some(_) => Err(ApiError::new(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )),
            None => {
                Err(ApiError::new("InvalidRequest", "Missing required header for this request: x-amz-content-sha256"))
            }
        }
    }

    fn is_for_s3(&self) -> bool {
        self.service == "s3"
    }
}

fn incomplete(message: &str) -> ApiError {
    ApiError::new("IncompleteSignature", message)
}

fn canonical_query(query: &str) -> String {
    let canonical = |text: &str| encoded(&decoded(text), b"");
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (canonical(name), canonical(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// Percent-encodes every byte that is neither unreserved (RFC 3986) nor in `kept`.
fn encoded(bytes: &[u8], kept: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(*byte)),
            byte if kept.contains(byte) => text.push(char::from(*byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

fn decoded(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
            }
            None => bytes.extend_from_slice(format!("%{part}").as_bytes()),
        }
    }
    bytes
}

/// HMAC-SHA256, of which AWS makes more than signatures.
pub(crate) fn mac(key: &[u8], text: &str) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of AWS's published examples: a request, and the signature it must get.
    struct Vector {
        method: &'static str,
        target: &'static str,
        headers: &'static [(&'static str, &'static str)],
        body: &'static str,
        signature: &'static str,
    }

    impl Vector {
        fn request(&self, credential: &str) -> HttpRequest {
            let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
            let authorization = format!(
                "{ALGORITHM} Credential={credential}/aws4_request, SignedHeaders={}, Signature={}",
                names.join(";"),
                self.signature
            );
            let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
            let sent = self.headers.iter().copied().chain([("authorization", authorization.as_str())]);
            HttpRequest {
                method: self.method.to_owned(),
                path: path.to_owned(),
                query: query.to_owned(),
                headers: sent.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                body: self.body.into(),
            }
        }
    }

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const HOST: (&str, &str) = ("host", "example.amazonaws.com");
    const DATE: (&str, &str) = ("x-amz-date", "20150830T123600Z");
    const BUCKET: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");
    const S3_DATE: (&str, &str) = ("x-amz-date", "20130524T000000Z");

    /// From the Signature Version 4 test suite; the file each one stands in is named in front of it.
    const SUITE: [Vector; 5] = [
        // get-vanilla
        Vector {
            method: "GET",
            target: "/",
            headers: &[HOST, DATE],
            body: "",
            signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        },
        // get-vanilla-query-order-key-case
        Vector {
            method: "GET",
            target: "/?Param2=value2&Param1=value1",
            headers: &[HOST, DATE],
            body: "",
            signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        },
        // get-utf8
        Vector {
            method: "GET",
            target: "/ሴ",
            headers: &[HOST, DATE],
            body: "",
            signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        },
        // get-header-value-trim
        Vector {
            method: "GET",
            target: "/",
            headers: &[HOST, ("my-header1", " value1"), ("my-header2", " \"a   b   c\""), DATE],
            body: "",
            signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        },
        // post-x-www-form-urlencoded
        Vector {
            method: "POST",
            target: "/",
            headers: &[("content-type", "application/x-www-form-urlencoded"), HOST, DATE],
            body: "Param1=value1",
            signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        },
    ];

    /// From "Signature calculations for the Authorization header" in the S3 API reference.
    const S3: [Vector; 3] = [
        Vector {
            method: "GET",
            target: "/test.txt",
            headers: &[BUCKET, ("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY), S3_DATE],
            body: "",
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        },
        Vector {
            method: "PUT",
            target: "/test$file.text",
            headers: &[
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                BUCKET,
                ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
                S3_DATE,
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            body: "Welcome to Amazon S3.",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        },
        Vector {
            method: "GET",
            target: "/?lifecycle",
            headers: &[BUCKET, ("x-amz-content-sha256", EMPTY), S3_DATE],
            body: "",
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        },
    ];

    fn is_proven(request: &HttpRequest, secret: &str) -> Result<bool, ApiError> {
        Claim::read(request)?.is_proven_by(secret, request)
    }

    #[test]
    fn published_signatures_are_proven_and_no_others() {
        let suite = SUITE.iter().map(|vector| {
            let request = vector.request("AKIDEXAMPLE/20150830/us-east-1/service");
            (request, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        });
        let s3 = S3.iter().map(|vector| {
            let request = vector.request("AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3");
            (request, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        });
        for (request, secret) in suite.chain(s3) {
            assert_eq!(is_proven(&request, secret), Ok(true), "{request:?}");
            assert_eq!(is_proven(&request, "another secret"), Ok(false), "{request:?}");
            let changed = HttpRequest { query: format!("{}&x=y", request.query), ..request };
            assert_eq!(is_proven(&changed, secret), Ok(false), "{changed:?}");
        }
    }

    #[test]
    fn a_path_with_encoded_characters_is_encoded_again_except_for_s3() {
        let request =
            |service: &str| Vector { target: "/a%3Ab", ..SUITE[0] }.request(&format!("A/20150830/r/{service}"));
        let canonical = |service: &str| {
            let mut request = request(service);
            request.headers.insert("x-amz-content-sha256".into(), EMPTY.into());
            let text = request.headers["authorization"].replace("x-amz-date", "x-amz-content-sha256;x-amz-date");
            request.headers.insert("authorization".into(), text);
            Claim::read(&request).unwrap().canonical_request(&request).unwrap()
        };
        assert!(canonical("lambda").starts_with("GET\n/a%253Ab\n"), "{}", canonical("lambda"));
        assert!(canonical("s3").starts_with("GET\n/a%3Ab\n"), "{}", canonical("s3"));
    }

    #[test]
    fn a_request_that_could_be_changed_on_its_way_is_refused() {
        let changes: [fn(&mut HttpRequest); 4] = [
            |request| drop(request.headers.remove("x-amz-date")),
            |request| drop(request.headers.insert("x-amz-date".into(), "20150831T123600Z".into())),
            |request| drop(request.headers.insert("x-amz-target".into(), "secretsmanager.DeleteSecret".into())),
            |request| drop(request.headers.insert("authorization".into(), format!("{ALGORITHM} Credential=a/b/c/d"))),
        ];
        for change in changes {
            let mut request = SUITE[0].request("AKIDEXAMPLE/20150830/us-east-1/service");
            change(&mut request);
            assert_eq!(Claim::read(&request).map_err(|error| error.code).err(), Some("IncompleteSignature".into()));
        }
    }

    #[test]
    fn a_body_is_part_of_what_is_signed() {
        let mut request = SUITE[4].request("AKIDEXAMPLE/20150830/us-east-1/service");
        request.body = b"Param1=value2".to_vec();
        assert_eq!(is_proven(&request, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), Ok(false));
    }

    #[test]
    fn a_body_for_s3_must_have_the_hash_it_claims() {
        let mut request = S3[1].request("AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3");
        request.body = b"Welcome to another bucket.".to_vec();
        let code = is_proven(&request, "any").map_err(|error| error.code);
        assert_eq!(code, Err("XAmzContentSHA256Mismatch".into()));
    }
}
