//! `rate(…)`, the one form of schedule expression that the sandbox's rules know.

use std::time::Duration;

use super::rule::invalid;
use crate::ApiError;

/// The interval between two firings. A 1 has a unit in the singular, and any other number one in the plural.
pub(super) fn parse(expression: &str) -> Result<Duration, ApiError> {
    if expression.starts_with("cron(") {
        return Err(ApiError::unknown("schedule expression", expression));
    }
    interval(expression).ok_or_else(|| invalid("Parameter ScheduleExpression is not valid."))
}

fn interval(expression: &str) -> Option<Duration> {
    let (number, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    if !number.chars().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u32 = number.parse().ok()?;
    let minutes: u32 = match (number, unit) {
        (1, "minute") | (2.., "minutes") => 1,
        (1, "hour") | (2.., "hours") => 60,
        (1, "day") | (2.., "days") => 24 * 60,
        _ => return None,
    };
    Some(Duration::from_mins(u64::from(number) * u64::from(minutes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singular_and_plural() {
        let table = [
            ("rate(1 minute)", 1),
            ("rate(5 minutes)", 5),
            ("rate(1 hour)", 60),
            ("rate(36 hours)", 36 * 60),
            ("rate(1 day)", 24 * 60),
            ("rate(7 days)", 7 * 24 * 60),
        ];
        for (expression, minutes) in table {
            assert_eq!(parse(expression), Ok(Duration::from_mins(minutes)), "{expression}");
        }
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        let table = [
            "",
            "1 hour",
            "rate(1 hours)",
            "rate(5 hour)",
            "rate(0 minutes)",
            "rate(0 minute)",
            "rate(-5 minutes)",
            "rate(+5 minutes)",
            "rate(1.5 hours)",
            "rate(5 seconds)",
            "rate(5minutes)",
            "rate(5 minutes",
            "rate(99999999999 days)",
        ];
        for expression in table {
            assert_eq!(
                parse(expression).map_err(|error| error.code),
                Err("ValidationException".into()),
                "{expression}"
            );
        }
        assert_eq!(parse("cron(0 8 * * ? *)").map_err(|error| error.status), Err(501));
    }
}
