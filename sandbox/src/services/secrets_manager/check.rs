//! What names, tags, tokens and values may look like.

use std::collections::BTreeMap;

use super::error::{invalid_parameter, invalid_request, limit_exceeded};
use super::secret::SecretValue;
use crate::ApiError;
use crate::input::JsonInput;

/// "Size of a secret value: 65,536 bytes" in AWS's quotas.
const LARGEST_VALUE: usize = 65_536;

/// "Tags attached to a secret: 50"; those of AWS itself do not count.
const MOST_TAGS: usize = 50;

/// A secret's name: 1 to 512 letters, digits and `/_+=.@-`.
pub(super) fn name(name: &str) -> Result<(), ApiError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
    if (1..=512).contains(&name.len()) && name.chars().all(legal) {
        return Ok(());
    }
    Err(invalid_parameter(
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
    ))
}

/// A ClientRequestToken, which becomes a version's id. The SDKs make one when the caller has none.
pub(super) fn token(input: &mut JsonInput) -> Result<String, ApiError> {
    let token = input.text("ClientRequestToken")?.ok_or_else(|| {
        invalid_request("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
    })?;
    if !(32..=64).contains(&token.len()) {
        return Err(invalid_parameter("ClientRequestToken must be 32-64 characters long."));
    }
    Ok(token)
}

/// The value in SecretString; the sandbox knows no SecretBinary.
pub(super) fn value(input: &mut JsonInput) -> Result<Option<SecretValue>, ApiError> {
    match input.text("SecretString")? {
        Some(value) if value.is_empty() || value.len() > LARGEST_VALUE => {
            Err(invalid_parameter(format!("SecretString must have 1 to {LARGEST_VALUE} bytes.")))
        }
        value => Ok(value.map(SecretValue::new)),
    }
}

/// The tags under `name`, with legal keys and values.
pub(super) fn tags(input: &mut JsonInput, name: &str) -> Result<BTreeMap<String, String>, ApiError> {
    let tags = input.tags(name)?;
    tags.iter().try_for_each(|(key, value)| tag(key, value))?;
    Ok(tags)
}

/// How many tags a secret may have.
pub(super) fn tag_count(tags: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if tags.keys().filter(|key| !key.starts_with("aws:")).count() > MOST_TAGS {
        return Err(limit_exceeded(format!("A secret can have {MOST_TAGS} tags.")));
    }
    Ok(())
}

/// A tag that anybody may set.
pub(super) fn tag(key: &str, value: &str) -> Result<(), ApiError> {
    let legal = |c: char| c.is_alphanumeric() || " +-=._:/@".contains(c);
    if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
        return Err(invalid_parameter("A tag's key has 1 to 128 characters, its value 256 at most."));
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(invalid_parameter("Tag keys that begin with aws: are reserved."));
    }
    if !key.chars().chain(value.chars()).all(legal) {
        return Err(invalid_parameter(format!(
            "The tag {key} has a character other than letters, digits, + - = . _ : / @"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names() {
        for good in ["keyturn/a.b", "a_b+c=d@e-f/g"] {
            assert_eq!(name(good), Ok(()), "{good}");
        }
        for bad in ["", "a,b", "a b", "ä", &"a".repeat(513)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tag_characters() {
        let given = |key: &str, value: &str| {
            tags(&mut JsonInput::from_value(json!({ "Tags": [{ "Key": key, "Value": value }] })).unwrap(), "Tags")
        };
        for (key, value) in [("keyturn:user", "a.b@c=d+e_f-g/h"), ("k", ""), ("größe", "ok")] {
            assert!(given(key, value).is_ok(), "{key}");
        }
        for (key, value) in [("", "v"), ("aws:x", "v"), ("k", "a,b"), ("k;", "v"), ("k", &"v".repeat(257))] {
            assert!(given(key, value).is_err(), "{key}");
        }
    }
}
