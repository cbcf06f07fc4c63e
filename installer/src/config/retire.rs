//! The `retire` part of the configuration: what becomes of superseded keys, and whether it fits the schedule (R10).

use std::time::Duration;

use contract::{ForeignPolicy, InUsePolicy, Settings, SettingsError};

use super::duration::show;
use super::error::Problem;
use super::fields::{Fault, Fields, Place};
use super::schedule::Timing;

/// The fields of `retire`.
pub(super) const FIELDS: [&str; 7] =
    ["deactivate_after", "quiet", "delete_after", "sweep_every", "max_key_age", "foreign", "in_use"];

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// How often the sweeper may come: EventBridge counts in minutes, and a key that was disabled by mistake is to be
/// noticed within a day.
const SHORTEST_SWEEP: Duration = Duration::from_secs(300);
const LONGEST_SWEEP: Duration = DAY;

/// Reads `retire`, and makes the function's settings of it.
///
/// Where the time between two rotations varies, the shortest counts for what has to be over by then, the longest for
/// the age of a key. Without an overlap (`deactivate_after: 0s`) nobody waits for the old key to fall out of use, so
/// that is the default then.
pub(super) fn read(mut fields: Fields, timing: &Timing, timeout: Duration) -> Result<Settings, Fault> {
    let foreign = [("refuse", ForeignPolicy::Refuse), ("retire", ForeignPolicy::Retire)];
    let in_use = [("wait", InUsePolicy::Wait), ("deactivate", InUsePolicy::Deactivate)];
    let deactivate_after = fields.duration("deactivate_after", 7 * DAY)?;
    let (quiet, use_policy) = match deactivate_after {
        Duration::ZERO => (Duration::ZERO, InUsePolicy::Deactivate),
        _ => (DAY, InUsePolicy::Wait),
    };
    let settings = Settings {
        timeout,
        lease: Settings::shortest_lease(timeout),
        interval: timing.shortest,
        deactivate_after,
        delete_after: fields.duration("delete_after", 7 * DAY)?,
        quiet: fields.duration("quiet", quiet)?,
        sweep_every: sweep_every(&mut fields)?,
        max_key_age: fields.duration("max_key_age", 90 * DAY)?,
        foreign: fields.choice("foreign", &foreign, ForeignPolicy::Refuse)?,
        in_use: fields.choice("in_use", &in_use, use_policy)?,
    };
    let but_for_age = Settings { max_key_age: Duration::MAX, ..settings };
    // A rotation may begin late in its window, and the one before may have begun early.
    let by_age = Settings { interval: timing.longest.saturating_add(timing.window()), ..settings };
    but_for_age.check().and_then(|()| by_age.check()).map_err(|error| contradiction(error, &settings))?;
    Ok(settings)
}

fn sweep_every(fields: &mut Fields) -> Result<Duration, Fault> {
    let every = fields.duration("sweep_every", HOUR)?;
    let is_whole = every.as_secs().is_multiple_of(60);
    if is_whole && (SHORTEST_SWEEP..=LONGEST_SWEEP).contains(&every) {
        return Ok(every);
    }
    let (shortest, longest) = (show(SHORTEST_SWEEP), show(LONGEST_SWEEP));
    let problem = format!("is {}, and has to be {shortest} to {longest}, in whole minutes", show(every));
    Err(fields.place_of("sweep_every").fault(Problem::Limit(problem)))
}

/// The same contradiction in the words of the configuration.
fn contradiction(error: SettingsError, settings: &Settings) -> Fault {
    let kept_by = if settings.overlap() > settings.deactivate_after { "quiet" } else { "deactivate_after" };
    let fault = |field, text| Place::of(&["retire", field]).fault(Problem::Contradiction(text));
    let sum =
        |durations: &[Duration]| show(durations.iter().fold(Duration::ZERO, |sum, next| sum.saturating_add(*next)));
    match error {
        SettingsError::KeptTooLong { overlap, delete_after, sweep_every, interval } => {
            let kept = sum(&[overlap, sweep_every, delete_after, sweep_every]);
            let [first, then, sweep, interval] = [overlap, delete_after, sweep_every, interval].map(show);
            fault(
                "delete_after",
                format!(
                    "keeps a superseded key for {first} (`{kept_by}`) and then {then}, each time until the next sweep ({sweep}, `sweep_every`), which is {kept} and has to be less than the {interval} between rotations"
                ),
            )
        }
        SettingsError::TooOld { interval, overlap, sweep_every, max_key_age } => {
            let age = sum(&[interval, overlap, sweep_every]);
            let [first, then, sweep, limit] = [interval, overlap, sweep_every, max_key_age].map(show);
            fault(
                "max_key_age",
                format!(
                    "is {limit}, and a key is current for up to {first} (with the rotation window), kept for {then} (`{kept_by}`) after that, and deactivated by the next sweep ({sweep}, `sweep_every`), which is {age}"
                ),
            )
        }
        SettingsError::SingleKeyWaits => fault(
            "deactivate_after",
            "is 0s, so that there is one Active key only, and `quiet` or `in_use: wait` would keep a second one"
                .to_owned(),
        ),
        other => Place::default().fault(Problem::Contradiction(other.to_string())),
    }
}
