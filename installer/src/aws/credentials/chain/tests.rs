//! Profiles as people write them, and where they lead.

use std::fmt::Write as _;

use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_types::os_shim_internal::{Env, Fs};

use super::*;

async fn led(config: &str, selected: &'static str) -> Result<Option<Chain>, ProfileError> {
    let files = EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, config).build();
    let profiles = aws_config::profile::load(&Fs::real(), &Env::from_slice(&[]), &files, Some(selected.into())).await;
    resolve(&profiles.unwrap())
}

/// The source and the roles of the profile `p`, in one line.
async fn shown(config: &str) -> String {
    match led(config, "p").await {
        Ok(None) => "nothing".to_owned(),
        Ok(Some(chain)) => {
            let mut line = format!("{:?} of {}", chain.source, chain.profile);
            for hop in chain.hops {
                write!(line, ", then {}", hop.role_arn).unwrap();
            }
            line
        }
        Err(error) => error.to_string(),
    }
}

const BASE: &str = "[profile base]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = hunter2\n";

#[tokio::test]
async fn every_kind_of_profile_leads_to_its_source() {
    let table = [
        ("aws_access_key_id = A\naws_secret_access_key = B", "Key of p"),
        ("region = eu-central-1", "nothing"),
        ("credential_process = vault-helper --token hunter2", "Process of p"),
        ("web_identity_token_file = /token\nrole_arn = r", "WebIdentity of p"),
        ("sso_start_url = u\nsso_region = r\nsso_account_id = 1\nsso_role_name = n", "Sso of p"),
        ("role_arn = r\nsource_profile = base", "Key of base, then r"),
        ("role_arn = r\nsource_profile = p\naws_access_key_id = A\naws_secret_access_key = B", "Key of p, then r"),
        ("role_arn = r\ncredential_source = Environment", "Environment of p, then r"),
        ("role_arn = r\ncredential_source = Ec2InstanceMetadata", "Instance of p, then r"),
        ("role_arn = r\ncredential_source = EcsContainer", "Container of p, then r"),
        // A role of its own comes before a key of its own, but not where others build upon it.
        (
            "role_arn = r\nsource_profile = base\naws_access_key_id = A\naws_secret_access_key = B",
            "Key of base, then r",
        ),
        (
            "role_arn = r\nsource_profile = q\n[profile q]\nrole_arn = s\nsource_profile = base\naws_access_key_id = A\naws_secret_access_key = B",
            "Key of q, then r",
        ),
        (
            "role_arn = r\nsource_profile = q\n[profile q]\nrole_arn = s\nsource_profile = base",
            "Key of base, then s, then r",
        ),
    ];
    for (fields, expected) in table {
        assert_eq!(shown(&format!("{BASE}[profile p]\n{fields}\n")).await, expected, "{fields}");
    }
}

#[tokio::test]
async fn what_leads_nowhere_is_named_without_its_values() {
    let table = [
        ("role_arn = r\nsource_profile = q", "there is no profile `q`, which the profile `p` names as its source"),
        (
            "role_arn = r\nsource_profile = q\n[profile q]\nrole_arn = s\nsource_profile = p",
            "the profiles name each other as their source: p -> q -> p",
        ),
        ("role_arn = r\nsource_profile = q\n[profile q]\nregion = x", "the profile `q` has no credentials"),
        ("role_arn = r", "the profile `p` has `role_arn`, but neither `source_profile` nor `credential_source`"),
        (
            "role_arn = r\nsource_profile = base\ncredential_source = Environment",
            "the profile `p` has both `source_profile` and `credential_source`",
        ),
        (
            "role_arn = r\ncredential_source = hunter2",
            "`credential_source` of the profile `p` is not `Environment`, `EcsContainer` or `Ec2InstanceMetadata`",
        ),
        (
            "role_arn = r\nsource_profile = base\nduration_seconds = 899",
            "`duration_seconds` of the profile `p` is not a number of seconds from 900 to 43200",
        ),
        ("aws_access_key_id = A", "the profile `p` lacks `aws_secret_access_key`"),
        ("aws_secret_access_key = hunter2", "the profile `p` lacks `aws_access_key_id`"),
        ("web_identity_token_file = /token", "the profile `p` lacks `role_arn`"),
        (
            "sso_session = s\nsso_account_id = 1\nsso_role_name = n",
            "there is no `sso-session s`, which the profile `p` names",
        ),
        ("sso_session = s\n[sso-session s]\nsso_region = r", "the `sso-session s` lacks `sso_start_url`"),
        ("sso_start_url = u\nsso_region = r", "the profile `p` lacks `sso_account_id`"),
        ("login_session = arn", "the profile `p` has `login_session`, which keyturn does not support"),
    ];
    for (fields, expected) in table {
        let shown = shown(&format!("{BASE}[profile p]\n{fields}\n")).await;
        assert_eq!(shown, expected, "{fields}");
        assert!(!shown.contains("hunter2"));
    }
    assert_eq!(shown(BASE).await, "there is no profile `p`");
    assert!(matches!(led(BASE, "default").await, Ok(None)), "nobody has to have a default profile");
}

#[tokio::test]
async fn a_role_is_assumed_as_its_profile_says() {
    let config = format!(
        "{BASE}[profile p]\nrole_arn = r\nsource_profile = base\nexternal_id = e\nrole_session_name = n\nduration_seconds = 3600\nmfa_serial = m\n"
    );
    let chain = led(&config, "p").await.unwrap().unwrap();
    let expected = Hop {
        profile: "p".to_owned(),
        role_arn: "r".to_owned(),
        external_id: Some("e".to_owned()),
        session_name: Some("n".to_owned()),
        lasting: Some(Duration::from_secs(3600)),
        mfa_serial: Some("m".to_owned()),
    };
    assert_eq!(chain.hops, [expected]);
    assert!(!format!("{chain:?}").contains("hunter2"));
}
