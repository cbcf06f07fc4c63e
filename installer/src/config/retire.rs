//! The `retire` part of the configuration: what becomes of superseded keys, and whether it fits the schedule (R10).

use std::time::Duration;

use contract::{ForeignPolicy, InUsePolicy, Settings, SettingsError};

use super::duration::show;
use super::error::Problem;
use super::fields::{Fault, Fields, Place};
use super::schedule::Timing;

/// The fields of `retire`.
pub(super) const FIELDS: [&str; 6] = ["deactivate_after", "quiet", "delete_after", "max_key_age", "foreign", "in_use"];

const DAY: Duration = Duration::from_secs(86_400);

/// Reads `retire`, and makes the function's settings of it.
///
/// Where the time between two rotations varies, the shortest counts for what has to be over by then, the longest for
/// the age of a key.
pub(super) fn read(mut fields: Fields, timing: &Timing, timeout: Duration) -> Result<Settings, Fault> {
    let foreign = [("refuse", ForeignPolicy::Refuse), ("retire", ForeignPolicy::Retire)];
    let in_use = [("wait", InUsePolicy::Wait), ("deactivate", InUsePolicy::Deactivate)];
    let settings = Settings {
        timeout,
        lease: Settings::shortest_lease(timeout),
        interval: timing.shortest,
        deactivate_after: fields.duration("deactivate_after", 7 * DAY)?,
        delete_after: fields.duration("delete_after", 7 * DAY)?,
        quiet: fields.duration("quiet", DAY)?,
        max_key_age: fields.duration("max_key_age", 90 * DAY)?,
        foreign: fields.choice("foreign", &foreign, ForeignPolicy::Refuse)?,
        in_use: fields.choice("in_use", &in_use, InUsePolicy::Wait)?,
    };
    let by_age = Settings { interval: timing.longest, ..settings };
    settings.check().and_then(|()| by_age.check()).map_err(contradiction)?;
    Ok(settings)
}

/// The same contradiction in the words of the configuration.
fn contradiction(error: SettingsError) -> Fault {
    let fault = |field, text| Place::of(&["retire", field]).fault(Problem::Contradiction(text));
    match error {
        SettingsError::KeptTooLong { deactivate_after, delete_after, interval } => {
            let (first, then, kept) =
                (show(deactivate_after), show(delete_after), show(deactivate_after.saturating_add(delete_after)));
            let interval = show(interval);
            fault(
                "delete_after",
                format!(
                    "keeps a superseded key for {first} (`deactivate_after`) and then {then}, which is {kept} and has to be less than the {interval} between rotations"
                ),
            )
        }
        SettingsError::TooOld { interval, deactivate_after, max_key_age } => {
            let (first, then, age) =
                (show(interval), show(deactivate_after), show(interval.saturating_add(deactivate_after)));
            let max_key_age = show(max_key_age);
            fault(
                "max_key_age",
                format!(
                    "is {max_key_age}, and a key is current for up to {first} and kept for {then} (`deactivate_after`) after that, which is {age}"
                ),
            )
        }
        other => Place::default().fault(Problem::Contradiction(other.to_string())),
    }
}
