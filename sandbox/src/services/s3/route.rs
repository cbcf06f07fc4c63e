//! Which operation a request asks for, and its parameters.

use std::collections::BTreeMap;

use super::error::invalid_argument;
use crate::ApiError;
use crate::request::{HttpRequest, Request, percent_decoded};

/// The operation that method, path and query stand for.
pub(crate) fn operation(http: &HttpRequest) -> Result<&'static str, ApiError> {
    let (_, key) = bucket_and_key(http);
    let query = query(http);
    let has = |name: &str| query.contains_key(name);
    match (http.method.as_str(), key.is_empty()) {
        ("DELETE", false) => Ok("DeleteObject"),
        ("GET", false) => Ok("GetObject"),
        ("GET", true) if has("location") => Ok("GetBucketLocation"),
        ("GET", true) if has("versions") => Ok("ListObjectVersions"),
        ("HEAD", false) => Ok("HeadObject"),
        ("HEAD", true) => Ok("HeadBucket"),
        ("POST", true) if has("delete") => Ok("DeleteObjects"),
        ("PUT", false) => Ok("PutObject"),
        (method, _) => Err(ApiError::unknown("operation", &format!("{method} {}?{}", http.path, http.query))),
    }
}

/// The parameters of a call. What nobody takes is an error.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) bucket: String,
    pub(super) key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
}

/// Headers that say nothing about the operation, or that have been checked before.
const ANY_CALL: &[&str] = &[
    "accept",
    "accept-encoding",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "authorization",
    "connection",
    "content-length",
    "host",
    "user-agent",
    "x-amz-checksum-mode",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-user-agent",
];

impl Call {
    pub(super) fn take(request: &Request) -> Result<Self, ApiError> {
        let http = &request.http;
        super::checksum::check(&http.headers, &http.body)?;
        let (bucket, key) = bucket_and_key(http);
        let mut query = query(http);
        // The name of the operation, which the SDKs add.
        query.remove("x-id");
        let is_special = |name: &str| !ANY_CALL.contains(&name) && !name.starts_with("x-amz-checksum-");
        let headers = http.headers.iter().filter(|(name, _)| is_special(name));
        let mut call =
            Self { bucket, key, query, headers: headers.map(|(name, value)| (name.clone(), value.clone())).collect() };
        if let Some(owner) = call.header("x-amz-expected-bucket-owner")
            && owner != request.caller.account
        {
            return Err(super::error::access_denied());
        }
        // The server has told whoever waits for it to go on: the body is here.
        if let Some(expected) = call.header("expect")
            && !expected.eq_ignore_ascii_case("100-continue")
        {
            return Err(ApiError::unknown("expectation", &expected));
        }
        Ok(call)
    }

    pub(super) fn parameter(&mut self, name: &str) -> Option<String> {
        self.query.remove(name).filter(|value| !value.is_empty())
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<usize>, ApiError> {
        let number = |text: String| text.parse().map_err(|_| invalid_argument(format!("`{name}` is not a number")));
        self.parameter(name).map(number).transpose()
    }

    pub(super) fn header(&mut self, name: &str) -> Option<String> {
        self.headers.remove(name)
    }

    /// Refuses what has not been taken, apart from the parameter that names the operation.
    pub(super) fn finish(&self, operation: &str) -> Result<(), ApiError> {
        let unknown = self.query.keys().find(|name| *name != operation);
        match unknown.or_else(|| self.headers.keys().next()) {
            Some(name) => Err(ApiError::unknown("parameter", name)),
            None => Ok(()),
        }
    }

    /// The ARN of the object that the call is about, or of the bucket.
    pub(super) fn arn(&self, partition: &str) -> String {
        let slash = if self.key.is_empty() { "" } else { "/" };
        format!("arn:{partition}:s3:::{}{slash}{}", self.bucket, self.key)
    }
}

fn bucket_and_key(http: &HttpRequest) -> (String, String) {
    let path = http.path.strip_prefix('/').unwrap_or(&http.path);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (bucket.to_owned(), percent_decoded(key))
}

fn query(http: &HttpRequest) -> BTreeMap<String, String> {
    form_urlencoded::parse(http.query.as_bytes()).into_owned().collect()
}
