//! The reasons for which the function stops a rotation, as the tag [`BLOCKED`](crate::tag_keys::BLOCKED) names them,
//! and what each asks of a person.

/// The reason when AWS does not allow the function a call. Permissions that were given just now may take some seconds until
/// they are known everywhere, so this one may be gone at the next attempt.
pub const DENIED: &str = "denied";

/// The name of each reason, and what it means.
pub const REASONS: [(&str, &str); 25] = [
    ("held", "the secret has the tag `keyturn:hold`; `keyturn release` takes it off"),
    ("rotation_off", "rotation of the secret was turned off by hand; turn it on in Secrets Manager"),
    ("left", "the user is no longer among those whom the function enrols; key and secret stay as they are"),
    ("unbound", "the secret's tags name no user; run `keyturn bootstrap`"),
    (
        "other_secret",
        "the secret claims to be a user's, and by its name or stack it is not; put its `keyturn:` tags right, or take them off what somebody else has made",
    ),
    ("other_user", "the secret's value names another user than its tags; put the right `UserName` back"),
    (
        "unreadable_value",
        "the secret's value was replaced by something that is no key of the user; put a value of the old form back",
    ),
    ("user_replaced", "the user was deleted, and perhaps made again; the secret belongs to the one before"),
    ("unreadable_mark", "one of the secret's `keyturn:` tags was changed by hand; restore or remove it"),
    ("in_flight", "another attempt may still be under way; wait"),
    ("overlap", "the last rotation was so recent that both keys may still be needed; wait"),
    ("in_use", "the superseded key is still in use; let its users fetch the new one"),
    ("recovery", "the superseded key was deactivated just now, and can still be brought back; wait"),
    ("grace", "the superseded key is Inactive, and can still be brought back; wait"),
    ("foreign", "both places are taken, one by a key that keyturn did not make; delete it, or set `retire.foreign`"),
    ("no_successor", "the user has two keys, and the secret none yet; delete one of them"),
    ("two_foreign", "the user has two Active keys, and keyturn made none of them; delete one"),
    (
        "current_missing",
        "the key in the secret was deleted by somebody; check who needs it, then put one there by hand",
    ),
    ("current_disabled", "the key in the secret was set to Inactive by somebody; activate it, or find out why"),
    ("unknown_status", "a key has a status that this version does not know"),
    (
        "too_many_versions",
        "the secret was changed very often of late; Secrets Manager forgets old versions after a day",
    ),
    ("key_limit", "IAM has no room for another key of the user; wait"),
    ("rotation_under_way", "a rotation of the user has not come to its end; wait for it, then repeat the order"),
    ("too_large", "the secret's value would be larger than Secrets Manager takes; shorten its other fields"),
    (DENIED, "AWS does not allow the function a call that it needs; its log says which one, and who has forbidden it"),
];

/// What the reason of this name means; `None` for a name that this version does not know.
pub fn meaning(reason: &str) -> Option<&'static str> {
    REASONS.iter().find(|(name, _)| *name == reason).map(|(_, meaning)| *meaning)
}
