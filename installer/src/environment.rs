//! What of the environment decides how AWS is reached: read once, at start, by `main`. The SDK reads the rest itself.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// The variables that name a proxy, as curl reads them.
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// The halves of a key.
const KEY: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

/// The part of the environment that keyturn itself looks at. Empty variables count as not set.
#[derive(Clone, Default)]
pub struct Environment {
    /// `AWS_CA_BUNDLE`: certificates to trust besides those of the system.
    pub ca_bundle: Option<PathBuf>,
    /// `AWS_ENDPOINT_URL`.
    pub endpoint_url: Option<String>,
    /// `KEYTURN_TRY_SECONDS`: how long one try of a call may take.
    pub try_seconds: Option<String>,
    /// The variables that name a proxy, with their values, which may hold a password.
    pub proxies: Vec<(&'static str, String)>,
    /// `AWS_REGION`, or else `AWS_DEFAULT_REGION`.
    pub region: Option<String>,
    /// The half of a key that is set while the other one is not, and that other one.
    pub half_key: Option<(&'static str, &'static str)>,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_ROLE_ARN` and `AWS_ROLE_SESSION_NAME`.
    pub web_identity: Option<WebIdentity>,
}

/// A role that a token in a file opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebIdentity {
    /// The role.
    pub role_arn: String,
    /// Where the token is.
    pub token_file: PathBuf,
    /// The name of the session.
    pub session_name: Option<String>,
}

impl Environment {
    /// Takes what matters out of the environment.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
        let web_identity = variable("AWS_WEB_IDENTITY_TOKEN_FILE").zip(text("AWS_ROLE_ARN"));
        // The SDK reads the old name of the second half too.
        let has_secret = ["AWS_SECRET_ACCESS_KEY", "SECRET_ACCESS_KEY"].iter().any(|name| variable(name).is_some());
        Self {
            region: text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION")),
            half_key: match (variable(KEY[0]).is_some(), has_secret) {
                (true, false) => Some((KEY[0], KEY[1])),
                (false, true) => Some((KEY[1], KEY[0])),
                _ => None,
            },
            ca_bundle: variable("AWS_CA_BUNDLE").map(PathBuf::from),
            endpoint_url: text("AWS_ENDPOINT_URL"),
            try_seconds: text("KEYTURN_TRY_SECONDS"),
            proxies: PROXIES.iter().filter_map(|name| Some((*name, text(name)?))).collect(),
            web_identity: web_identity.map(|(file, role_arn)| WebIdentity {
                role_arn,
                token_file: file.into(),
                session_name: text("AWS_ROLE_SESSION_NAME"),
            }),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proxy's URL may hold a password.
        let proxies: Vec<&str> = self.proxies.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Environment").field("proxies", &proxies).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_key_and_the_region_are_taken_note_of() {
        let read = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> =
                set.iter().map(|(name, to)| ((*name).to_owned(), (*to).to_owned())).collect();
            Environment::read(move |name| set.iter().find(|(known, _)| known == name).map(|(_, to)| to.into()))
        };
        let (id, secret) = (("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "hunter2"));
        assert_eq!(read(&[id]).half_key, Some(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")));
        assert_eq!(read(&[secret]).half_key, Some(("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")));
        assert_eq!((read(&[]).half_key, read(&[id, secret]).half_key), (None, None));
        let (region, default) = (("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "us-east-1"));
        assert_eq!(read(&[default, region]).region.as_deref(), Some("eu-west-1"));
        assert_eq!(read(&[default, ("AWS_REGION", "")]).region.as_deref(), Some("us-east-1"));
    }

    #[test]
    fn empty_variables_count_as_not_set_and_no_password_is_shown() {
        let set = |name: &str| match name {
            "AWS_CA_BUNDLE" | "http_proxy" => Some(OsString::new()),
            "HTTPS_PROXY" => Some("http://me:hunter2@proxy:3128".into()),
            "AWS_WEB_IDENTITY_TOKEN_FILE" => Some("/token".into()),
            _ => None,
        };
        let environment = Environment::read(set);
        assert_eq!(environment.ca_bundle, None);
        assert_eq!(environment.proxies, [("HTTPS_PROXY", "http://me:hunter2@proxy:3128".to_owned())]);
        assert_eq!(environment.web_identity, None, "there is no role");
        assert!(!format!("{environment:?}").contains("hunter2"));
    }
}
