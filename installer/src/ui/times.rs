//! Spans of time in words.

use std::time::Duration;

use jiff::Timestamp;

/// A span of time in its largest unit, rounded down: `12 days`, `1 hour`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let (count, unit) = units
        .into_iter()
        .find(|(length, _)| seconds >= *length)
        .map_or((0, "second"), |(length, unit)| (seconds / length, unit));
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

/// How long ago something was; nothing in the future has an age.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    span(Duration::try_from(now.duration_since(since)).unwrap_or_default())
}

/// The day of a moment, in UTC.
pub fn date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_their_largest_unit() {
        let told = [0, 1, 59, 60, 7_199, 86_399, 86_400, 90 * 86_400].map(|seconds| span(Duration::from_secs(seconds)));
        let expected = ["0 seconds", "1 second", "59 seconds", "1 minute", "1 hour", "23 hours", "1 day", "90 days"];
        assert_eq!(told, expected);
    }

    #[test]
    fn the_future_has_no_age() -> Result<(), jiff::Error> {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse()?;
        assert_eq!(age("2026-01-02T00:00:00Z".parse()?, now), "0 seconds");
        Ok(())
    }
}
