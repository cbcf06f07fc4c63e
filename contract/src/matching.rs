//! How a user is compared with what somebody has said of users, by path and by tags. Who is meant is compared to the
//! letter; who is exempt is not: a key that stays is told, one that should have stayed is an outage.

use std::collections::BTreeMap;

/// Whether a user has all of these tags, each with the value, or with any where that is `*`.
pub fn has_tags(wanted: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> bool {
    let has =
        |(key, value): (&String, &String)| value_of(found, key).is_some_and(|found| value == "*" || value == found);
    wanted.iter().all(has)
}

/// The first of these tags that a user has. Case and spaces around a value make no difference: they are likelier to be
/// slips than meant.
pub fn exempting_tag<'a>(
    exempt: &'a BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
) -> Option<(&'a String, &'a String)> {
    exempt.iter().find(|(key, value)| {
        value_of(found, key).is_some_and(|found| value.as_str() == "*" || folded(found) == folded(value))
    })
}

/// Whether a path begins with one that exempts, whatever the case of letters.
pub fn is_exempting_path(exempt: &str, path: &str) -> bool {
    folded(path).starts_with(&folded(exempt))
}

/// The value of a user's tag. IAM tells no two keys apart that differ in case only.
fn value_of<'a>(tags: &'a BTreeMap<String, String>, key: &str) -> Option<&'a String> {
    tags.iter().find(|(found, _)| found.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}
