//! Of Amazon SES only this: which password its SMTP interface takes from whoever has an access key.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::iam::mac;
use crate::World;

impl World {
    /// The password that fits an access key as the user name, in one region. It differs from region to region.
    ///
    /// It is worked out here for a second time, so that a function that works it out for itself meets another opinion.
    pub fn smtp_password(&self, access_key_id: &str, region: &str) -> Option<String> {
        let key = self.iam.keys.get(access_key_id)?;
        Some(password(&key.credentials.secret_access_key, region))
    }

    /// The passwords that fit any of these secret halves, in the regions where there are secrets.
    pub(crate) fn smtp_passwords(&self, secrets: &[String]) -> Vec<String> {
        let regions = self.secrets_manager.arns().filter_map(|arn| arn.split(':').nth(3));
        let regions: BTreeSet<&str> = regions.collect();
        secrets.iter().flat_map(|secret| regions.iter().map(|region| password(secret, region))).collect()
    }
}

/// SES developer guide, "Obtaining your Amazon SES SMTP credentials".
fn password(secret_access_key: &str, region: &str) -> String {
    let key = mac(format!("AWS4{secret_access_key}").as_bytes(), "11111111");
    let key = mac(&mac(&mac(&key, region), "ses"), "aws4_request");
    let mut bytes = vec![4];
    bytes.extend(mac(&key, "SendRawEmail"));
    BASE64_STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_those_of_the_aws_sdks() {
        // `tests/Ses/SesClientTest.php` of the AWS SDK for PHP.
        let password = password("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-2");
        assert_eq!(password, "BMPPgbAHoFVbze1Ud0oA5uNdXRwUXUZ+qOwphGJbl/cS");
    }
}
