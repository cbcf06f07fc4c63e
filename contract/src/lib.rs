//! What the installer and the rotation function agree on: names, the secret document, tags and settings.
//!
//! Nothing here talks to AWS. A word that both programs must spell alike stands in this crate and nowhere else.

pub mod blocked;
mod document;
mod enrolment;
pub mod matching;
pub mod metrics;
mod names;
mod order;
mod own_secrets;
mod rendering;
mod secret_text;
mod settings;
mod tags;

pub use document::{DocumentError, KeyPair, SecretDocument};
pub use enrolment::{Enrolment, Exempt};
pub use names::{
    AccessKeyId, AccountId, NameError, Region, SECRET_PREFIX, SecretArn, UserId, UserName, VersionToken,
    looks_like_an_arn,
};
pub use order::{OrderAnswer, Outcome, Reissue, SAME_REVOCATION};
pub use own_secrets::{DIGEST_DIGITS, OwnSecrets};
pub use rendering::{Rendering, Renderings};
pub use secret_text::SecretText;
pub use settings::{ForeignPolicy, InUsePolicy, SHORTEST_TIMEOUT, Settings, SettingsError, variables};
pub use tags::{Attempt, GiveUp, KeyMark, LONGEST_ATTEMPT, TagError, keys as tag_keys};
