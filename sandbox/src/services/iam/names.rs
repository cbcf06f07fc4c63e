//! The names of IAM: which are legal, when two are the same, and the ids and ARNs that go with them.

use std::ops::RangeInclusive;

use crate::{ApiError, World};

/// The characters of IAM's ids: those of base 32.
pub(super) const ID_ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The form of a name under which it is unique: IAM compares names without case.
pub(super) fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// The account number in an ARN; empty when it has none.
pub(super) fn account_of(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

/// A unique id, such as `AIDA…` for a user: a prefix that tells the kind, and 17 random characters.
pub(super) fn unique_id(world: &mut World, prefix: &str) -> String {
    format!("{prefix}{}", world.random_text(ID_ALPHABET, 17))
}

/// Checks the name of a user, role, policy or session: so many of `[\w+=,.@-]`.
pub(crate) fn check_name(field: &str, name: &str, length: RangeInclusive<usize>) -> Result<(), ApiError> {
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    let fits = length.contains(&name.len()) && name.bytes().all(is_legal);
    if fits { Ok(()) } else { Err(invalid(field, name)) }
}

/// Checks a path: `/`, or text that begins and ends with one.
pub(super) fn check_path(path: &str) -> Result<(), ApiError> {
    let fits =
        path.starts_with('/') && path.ends_with('/') && path.len() <= 512 && path.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(()) } else { Err(invalid("path", path)) }
}

fn invalid(field: &str, value: &str) -> ApiError {
    ApiError::new("ValidationError", format!("The specified value for {field} is invalid: {value}"))
}
