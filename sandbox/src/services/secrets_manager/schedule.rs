//! Rotation schedules: `rate(…)`, `cron(…)`, and the window in which the rotation happens. All times are UTC.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use serde_json::{Map, Value};

use super::error::invalid_parameter;
use crate::ApiError;
use crate::input::JsonInput;

/// "You can rotate a secret as often as every four hours."
const SHORTEST_INTERVAL_HOURS: i64 = 4;

/// The largest AutomaticallyAfterDays in the API's model.
const LONGEST_INTERVAL_DAYS: i64 = 1000;

/// As many occurrences of a cron expression are looked at to find two that are too close.
const OCCURRENCES_CHECKED: usize = 200;

/// RotationRules, as they were given and as they are understood.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    given: Map<String, Value>,
    schedule: Schedule,
    window_hours: Option<i64>,
}

#[derive(Debug, Clone)]
enum Schedule {
    Days(i64),
    Hours(i64),
    Cron { cron: Box<Cron>, in_hours: bool },
}

/// The time in which a rotation happens. The sandbox rotates as soon as it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) opens: Timestamp,
    pub(super) closes: Timestamp,
}

impl Rules {
    pub(super) fn take(mut input: JsonInput) -> Result<Self, ApiError> {
        let days = input.number("AutomaticallyAfterDays")?;
        let expression = input.text("ScheduleExpression")?;
        let duration = input.text("Duration")?;
        input.finish()?;
        let schedule = match (days, &expression) {
            (Some(days), None) => days_apart(days)?,
            (None, Some(expression)) => Schedule::parse(expression)?,
            _ => {
                return Err(invalid_parameter(
                    "You must specify either AutomaticallyAfterDays or ScheduleExpression, but not both.",
                ));
            }
        };
        let window_hours = duration.as_deref().map(window_hours).transpose()?;
        let given = [
            ("AutomaticallyAfterDays", days.map(Value::from)),
            ("ScheduleExpression", expression.map(Value::from)),
            ("Duration", duration.map(Value::from)),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let rules = Self { given, schedule, window_hours };
        rules.check()?;
        Ok(rules)
    }

    /// The rules as DescribeSecret shows them.
    pub(super) fn to_json(&self) -> Value {
        Value::Object(self.given.clone())
    }

    /// The first window that opens after `from`.
    pub(super) fn window_after(&self, from: Timestamp) -> Option<Window> {
        let opens = self.schedule.opens_after(civil(from))?;
        let midnight = opens.date().tomorrow().ok()?.to_datetime(Time::midnight());
        let closes = match self.window_hours.or(self.schedule.default_window_hours()) {
            Some(hours) => later(opens, hours.hours())?,
            None => midnight,
        };
        Some(Window { opens: timestamp(opens)?, closes: timestamp(closes)? })
    }

    /// No window may reach into the next day or into the next window, and four hours lie between two.
    fn check(&self) -> Result<(), ApiError> {
        let mut from = Timestamp::UNIX_EPOCH;
        let mut last: Option<Window> = None;
        for _ in 0..OCCURRENCES_CHECKED {
            let Some(window) = self.window_after(from) else {
                return Err(invalid_parameter("The schedule expression never matches."));
            };
            let midnight = civil(window.opens).date().tomorrow().ok().map(|day| day.to_datetime(Time::midnight()));
            if midnight.and_then(timestamp).is_none_or(|midnight| window.closes > midnight) {
                return Err(invalid_parameter("The rotation window must not extend into the next UTC day."));
            }
            if let Some(last) = last {
                let apart = window.opens.duration_since(last.opens).as_hours();
                if apart < SHORTEST_INTERVAL_HOURS {
                    return Err(invalid_parameter("You can rotate a secret as often as every four hours."));
                }
                if last.closes > window.opens {
                    return Err(invalid_parameter("The rotation window must not extend into the next one."));
                }
            }
            from = window.opens;
            last = Some(window);
        }
        Ok(())
    }
}

impl Schedule {
    fn parse(expression: &str) -> Result<Self, ApiError> {
        let inside = |name| expression.strip_prefix(name).and_then(|rest| rest.strip_suffix(')'));
        if let Some(rate) = inside("rate(") {
            return parse_rate(rate);
        }
        if let Some(cron) = inside("cron(") {
            return parse_cron(cron);
        }
        Err(invalid_parameter(format!("`{expression}` is neither a rate() nor a cron() expression")))
    }

    /// A rate counts whole days, from midnight, or whole hours.
    fn opens_after(&self, from: DateTime) -> Option<DateTime> {
        match self {
            Self::Days(days) => later(from.date().to_datetime(Time::midnight()), days.days()),
            Self::Hours(hours) => {
                let hour = from.date().to_datetime(Time::new(from.hour(), 0, 0, 0).ok()?);
                later(hour, hours.hours())
            }
            Self::Cron { cron, .. } => cron.find_next_occurrence(&from, false).ok(),
        }
    }

    /// A schedule in hours has a window of one hour, a schedule in days one until the end of the day.
    fn default_window_hours(&self) -> Option<i64> {
        match self {
            Self::Days(_) | Self::Cron { in_hours: false, .. } => None,
            Self::Hours(_) | Self::Cron { in_hours: true, .. } => Some(1),
        }
    }
}

fn parse_rate(rate: &str) -> Result<Schedule, ApiError> {
    let malformed = || invalid_parameter(format!("`rate({rate})` is not a number of hours or days"));
    let (number, unit) = rate.split_once(' ').ok_or_else(malformed)?;
    let number: i64 = number.parse().map_err(|_| malformed())?;
    match unit {
        "hour" | "hours" if number < SHORTEST_INTERVAL_HOURS => {
            Err(invalid_parameter("You can rotate a secret as often as every four hours."))
        }
        "hour" | "hours" if number <= LONGEST_INTERVAL_DAYS * 24 => Ok(Schedule::Hours(number)),
        "day" | "days" => days_apart(number),
        _ => Err(malformed()),
    }
}

/// AWS's form has six fields, minutes to years, and restricts two of them.
fn parse_cron(text: &str) -> Result<Schedule, ApiError> {
    let malformed = |why: &str| invalid_parameter(format!("`cron({text})`: {why}"));
    let fields: Vec<&str> = text.split_whitespace().collect();
    let &[minutes, hours, days, months, weekdays, years] = fields.as_slice() else {
        return Err(malformed("a cron expression has six fields"));
    };
    if minutes != "0" {
        return Err(malformed("the minutes must be 0"));
    }
    if years != "*" {
        return Err(malformed("the year must be *"));
    }
    if (days == "?") == (weekdays == "?") {
        return Err(malformed("one of day-of-month and day-of-week must be ?, and the other not"));
    }
    let parser =
        CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).alternative_weekdays(true).build();
    let without_years = [minutes, hours, days, months, weekdays].join(" ");
    let cron = parser.parse(&without_years).map_err(|error| malformed(&error.to_string()))?;
    let in_hours = hours.contains(['*', '/', ',', '-']);
    Ok(Schedule::Cron { cron: Box::new(cron), in_hours })
}

fn days_apart(days: i64) -> Result<Schedule, ApiError> {
    if !(1..=LONGEST_INTERVAL_DAYS).contains(&days) {
        return Err(invalid_parameter(format!("Secrets are rotated every 1 to {LONGEST_INTERVAL_DAYS} days.")));
    }
    Ok(Schedule::Days(days))
}

fn window_hours(duration: &str) -> Result<i64, ApiError> {
    let hours = duration.strip_suffix('h').and_then(|hours| hours.parse().ok());
    hours
        .filter(|hours| (1..=24).contains(hours))
        .ok_or_else(|| invalid_parameter(format!("The Duration `{duration}` is not between 1h and 24h.")))
}

fn civil(at: Timestamp) -> DateTime {
    at.to_zoned(TimeZone::UTC).datetime()
}

fn timestamp(at: DateTime) -> Option<Timestamp> {
    at.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn later(at: DateTime, by: Span) -> Option<DateTime> {
    at.checked_add(by).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(given: Value) -> Result<Rules, ApiError> {
        Rules::take(JsonInput::from_value(given)?)
    }

    fn window(given: Value, from: &str) -> String {
        let window = rules(given).unwrap().window_after(from.parse().unwrap()).unwrap();
        format!("{} to {}", window.opens, window.closes)
    }

    #[test]
    fn windows_open_and_close_as_the_user_guide_says() {
        let cases = [
            (json!({ "AutomaticallyAfterDays": 30 }), "2026-01-31T00:00:00Z to 2026-02-01T00:00:00Z"),
            (json!({ "ScheduleExpression": "rate(1 day)" }), "2026-01-02T00:00:00Z to 2026-01-03T00:00:00Z"),
            (
                json!({ "ScheduleExpression": "rate(30 days)", "Duration": "3h" }),
                "2026-01-31T00:00:00Z to 2026-01-31T03:00:00Z",
            ),
            (json!({ "ScheduleExpression": "rate(4 hours)" }), "2026-01-01T16:00:00Z to 2026-01-01T17:00:00Z"),
            (json!({ "ScheduleExpression": "cron(0 16 * * ? *)" }), "2026-01-01T16:00:00Z to 2026-01-02T00:00:00Z"),
            (json!({ "ScheduleExpression": "cron(0 8 1 * ? *)" }), "2026-02-01T08:00:00Z to 2026-02-02T00:00:00Z"),
            (json!({ "ScheduleExpression": "cron(0 */8 * * ? *)" }), "2026-01-01T16:00:00Z to 2026-01-01T17:00:00Z"),
            (
                json!({ "ScheduleExpression": "cron(0 10 ? * 1 *)", "Duration": "2h" }),
                "2026-01-04T10:00:00Z to 2026-01-04T12:00:00Z",
            ),
            (json!({ "ScheduleExpression": "cron(0 10 ? * SUN#2 *)" }), "2026-01-11T10:00:00Z to 2026-01-12T00:00:00Z"),
            (json!({ "ScheduleExpression": "cron(0 10 L * ? *)" }), "2026-01-31T10:00:00Z to 2026-02-01T00:00:00Z"),
        ];
        for (given, expected) in cases {
            assert_eq!(window(given.clone(), "2026-01-01T12:30:00Z"), expected, "{given}");
        }
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        let cases = [
            json!({}),
            json!({ "Duration": "3h" }),
            json!({ "AutomaticallyAfterDays": 3, "ScheduleExpression": "rate(3 days)" }),
            json!({ "AutomaticallyAfterDays": 0 }),
            json!({ "AutomaticallyAfterDays": 1001 }),
            json!({ "ScheduleExpression": "rate(3 hours)" }),
            json!({ "ScheduleExpression": "rate(30 minutes)" }),
            json!({ "ScheduleExpression": "rate(30)" }),
            json!({ "ScheduleExpression": "at(2026-01-01T00:00:00)" }),
            json!({ "ScheduleExpression": "cron(0 10 * * ?)" }),
            json!({ "ScheduleExpression": "cron(5 10 * * ? *)" }),
            json!({ "ScheduleExpression": "cron(0 10 * * ? 2030)" }),
            json!({ "ScheduleExpression": "cron(0 10 * * * *)" }),
            json!({ "ScheduleExpression": "cron(0 10 ? * ? *)" }),
            json!({ "ScheduleExpression": "cron(0 */2 * * ? *)" }),
            json!({ "ScheduleExpression": "cron(0 0,23 * * ? *)" }),
            json!({ "ScheduleExpression": "cron(0 10 30 2 ? *)" }),
            json!({ "ScheduleExpression": "rate(4 hours)", "Duration": "5h" }),
            json!({ "ScheduleExpression": "cron(0 22 * * ? *)", "Duration": "3h" }),
            json!({ "ScheduleExpression": "rate(30 days)", "Duration": "25h" }),
            json!({ "ScheduleExpression": "rate(30 days)", "Duration": "3" }),
        ];
        for given in cases {
            let error = rules(given.clone()).expect_err(&given.to_string());
            assert_eq!(error.code, "InvalidParameterException", "{given}");
        }
        assert_eq!(rules(json!({ "Zone": "UTC" })).unwrap_err().code, "SandboxUnsupported");
    }
}
