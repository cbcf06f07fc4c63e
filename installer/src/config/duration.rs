//! Durations as people write them: `30d`, `12h`, `1d 12h`.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// The units that [`show`] uses, largest first, with their seconds.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Reads a duration of whole seconds; a day has 24 hours, months and years have no fixed length.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let duration = Duration::try_from(span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?).ok()?;
    (duration.subsec_nanos() == 0).then_some(duration)
}

/// Writes a duration the way [`parse`] reads it.
pub(super) fn show(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut words = Vec::new();
    for (unit, seconds) in UNITS {
        if rest >= seconds {
            words.push(format!("{}{unit}", rest / seconds));
            rest %= seconds;
        }
    }
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_back() {
        for (text, seconds) in
            [("30d", 2_592_000), ("12h", 43_200), ("15m", 900), ("1d 12h", 129_600), ("0s", 0), ("2m 30s", 150)]
        {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
            assert_eq!(show(Duration::from_secs(seconds)), text);
        }
        assert_eq!(parse("2w"), Some(Duration::from_secs(14 * 86_400)));
    }

    #[test]
    fn what_is_not_a_number_of_seconds_is_refused() {
        for wrong in ["", "30", "d", "-1d", "1mo", "1y", "500ms", "soon", "99999999999d"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
