//! When keys are rotated: the schedule in Secrets Manager's own words, and the shortest and longest time it leaves.

use std::time::Duration;

use croner::Cron;
use jiff::civil::{DateTime, date};

use super::Schedule;
use super::duration::show;
use super::error::Problem;
use super::fields::{Fault, Fields, Place};
use crate::names::excerpt;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Secrets Manager rotates a secret no more often than this, and no less often (user guide, rotation schedules).
const SHORTEST: Duration = Duration::from_secs(4 * 3_600);
const LONGEST: Duration = Duration::from_secs(999 * 86_400);

/// The fields of `schedule`.
pub(super) const FIELDS: [&str; 3] = ["every", "cron", "window"];

/// A schedule and what it means for the age of a key.
pub(super) struct Timing {
    pub(super) schedule: Schedule,
    pub(super) shortest: Duration,
    pub(super) longest: Duration,
    /// The last hour of the day at which a rotation window opens.
    last_hour: u64,
}

impl Default for Timing {
    /// Every 30 days: with both grace periods of a week there is as much time again in which nothing is pending.
    fn default() -> Self {
        let schedule = Schedule { expression: "rate(30 days)".to_owned(), window: None };
        Self { schedule, shortest: 30 * DAY, longest: 30 * DAY, last_hour: 0 }
    }
}

impl Timing {
    /// A rotation at a fixed distance. In whole days the window opens at midnight.
    fn every(interval: Duration) -> Result<Self, String> {
        if interval < SHORTEST || interval > LONGEST {
            let (shortest, longest) = (show(SHORTEST), show(LONGEST));
            return Err(format!("is {}, and Secrets Manager rotates every {shortest} to {longest}", show(interval)));
        }
        let seconds = interval.as_secs();
        let (count, unit) = if seconds.is_multiple_of(DAY.as_secs()) {
            (seconds / DAY.as_secs(), "day")
        } else if seconds.is_multiple_of(HOUR.as_secs()) {
            (seconds / HOUR.as_secs(), "hour")
        } else {
            return Err(format!("is {}, and Secrets Manager counts in whole hours", show(interval)));
        };
        let expression = format!("rate({count} {unit}{})", if count == 1 { "" } else { "s" });
        let schedule = Schedule { expression, window: None };
        Ok(Self { schedule, shortest: interval, longest: interval, last_hour: 0 })
    }

    /// A rotation by the calendar, in the words of AWS: `0 3 ? * SUN *`.
    fn cron(text: &str) -> Result<Self, String> {
        let cron = translate(text)?;
        let shown = excerpt(text);
        // From a fixed day on, and long enough to see every 29th of February twice.
        let times: Vec<DateTime> =
            cron.iter_after(date(2024, 1, 1).at(0, 0, 0, 0)).take_while(|time| time.year() < 2034).collect();
        let gaps = times.iter().zip(times.iter().skip(1));
        let gaps: Vec<Duration> = gaps.filter_map(|(a, b)| b.duration_since(*a).try_into().ok()).collect();
        let (Some(shortest), Some(longest)) = (gaps.iter().min().copied(), gaps.iter().max().copied()) else {
            return Err(format!("is `{shown}`, which does not come again within ten years"));
        };
        if shortest < SHORTEST {
            let (shortest, allowed) = (show(shortest), show(SHORTEST));
            return Err(format!("is `{shown}`, which leaves {shortest}; Secrets Manager needs {allowed} at least"));
        }
        let last_hour = times.iter().map(|time| time.hour()).max().and_then(|hour| hour.try_into().ok()).unwrap_or(0);
        Ok(Self {
            schedule: Schedule { expression: format!("cron({text})"), window: None },
            shortest,
            longest,
            last_hour,
        })
    }

    /// The same schedule with a window: neither past the next rotation nor past the end of the day (UTC).
    fn with_window(mut self, window: Duration) -> Result<Self, String> {
        let hours = window.as_secs() / HOUR.as_secs();
        if hours < 1 || window != HOUR * u32::try_from(hours).unwrap_or(u32::MAX) {
            return Err(format!("is {}, and a rotation window is open for whole hours", show(window)));
        }
        if window > self.shortest {
            let between = show(self.shortest);
            return Err(format!("is {}, which is past the next rotation, {between} later", show(window)));
        }
        if self.last_hour + hours > 24 {
            let opens = self.last_hour;
            return Err(format!("is {}, and from {opens}:00 that is past the end of the day (UTC)", show(window)));
        }
        self.schedule.window = u8::try_from(hours).ok();
        Ok(self)
    }

    /// How long after its time a rotation may begin. Nothing said, that is an hour for a schedule in hours, and else
    /// until the end of the day (user guide, "Rotation windows").
    pub(super) fn window(&self) -> Duration {
        match self.schedule.window {
            Some(hours) => HOUR * u32::from(hours),
            None if self.schedule.expression.contains("hour") => HOUR,
            None => DAY,
        }
    }
}

/// Reads `schedule`.
pub(super) fn read(mut fields: Fields) -> Result<Timing, Fault> {
    let wrong = |place: Place| move |problem| place.fault(Problem::Limit(problem));
    let timing = match (fields.optional("every"), fields.optional("cron")) {
        (Some(_), Some(cron)) => {
            let beside = "stands beside `every`, and a schedule has one of them".to_owned();
            return Err(cron.place.fault(Problem::Limit(beside)));
        }
        (None, Some(cron)) => {
            let place = cron.place.clone();
            Timing::cron(&cron.text()?).map_err(wrong(place))?
        }
        (Some(every), None) => {
            let place = every.place.clone();
            Timing::every(every.duration()?).map_err(wrong(place))?
        }
        (None, None) => Timing::default(),
    };
    match fields.optional("window") {
        None => Ok(timing),
        Some(window) => {
            let place = window.place.clone();
            timing.with_window(window.duration()?).map_err(wrong(place))
        }
    }
}

/// The same times in the dialect of the cron library, which has other numbers for the days of the week.
fn translate(text: &str) -> Result<Cron, String> {
    let shown = excerpt(text);
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minutes, hours, day, month, weekday, year] = fields.as_slice() else {
        return Err(format!("is `{shown}`, not the six fields of AWS: minutes, hours, day, month, weekday, year"));
    };
    if (*minutes, *year) != ("0", "*") {
        return Err(format!("is `{shown}`, and Secrets Manager wants the minutes to be `0` and the year `*`"));
    }
    if (*day == "?") == (*weekday == "?") {
        return Err(format!("is `{shown}`, and one of day and weekday, not both, has to be `?`"));
    }
    let list = |field: &str, part: fn(&str) -> String| field.split(',').map(part).collect::<Vec<_>>().join(",");
    let hours = list(hours, |part| with_end(part, 0, 23));
    let day = list(day, |part| with_end(part, 1, 31));
    let month = list(month, |part| with_end(part, 1, 12));
    let weekday = list(weekday, |part| with_end(&days_from_sunday(part), 0, 6));
    let pattern = format!("0 {hours} {day} {month} {weekday}");
    pattern.parse().map_err(|_| format!("is `{shown}`, which is not a schedule"))
}

/// AWS counts `4/8` from 4 to the end, and `/8` from the beginning; the library wants both ends.
fn with_end(part: &str, first: u8, last: u8) -> String {
    match part.split_once('/') {
        Some(("", step)) => format!("{first}-{last}/{step}"),
        Some((start, step)) if !start.contains('-') && start != "*" => format!("{start}-{last}/{step}"),
        _ => part.to_owned(),
    }
}

/// AWS counts the days of the week from 1, the library from 0. What follows `/` or `#` is no day.
fn days_from_sunday(days: &str) -> String {
    let end = days.find(['/', '#']).unwrap_or(days.len());
    let (days, rest) = days.split_at(end);
    let day = |day: &str| {
        let (number, last) = day.strip_suffix('L').map_or((day, ""), |number| (number, "L"));
        match number.parse::<u8>() {
            Ok(number @ 1..=7) => format!("{}{last}", number - 1),
            // The library has a seventh day, AWS an eighth as little as a zeroth.
            Ok(_) => "none".to_owned(),
            Err(_) => day.to_owned(),
        }
    };
    format!("{}{rest}", days.split('-').map(day).collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(text: &str) -> Result<(u64, u64, u64), String> {
        let hours = |duration: Duration| duration.as_secs() / 3_600;
        Timing::cron(text).map(|timing| (hours(timing.shortest), hours(timing.longest), timing.last_hour))
    }

    #[test]
    fn rates_are_in_days_or_hours() {
        let rate = |hours| Timing::every(HOUR * hours).map(|timing| timing.schedule.expression);
        assert_eq!(rate(24).as_deref(), Ok("rate(1 day)"));
        assert_eq!(rate(30 * 24).as_deref(), Ok("rate(30 days)"));
        assert_eq!(rate(4).as_deref(), Ok("rate(4 hours)"));
        assert_eq!(rate(36).as_deref(), Ok("rate(36 hours)"));
        assert_eq!(rate(999 * 24).as_deref(), Ok("rate(999 days)"));
        assert!(rate(3).is_err() && rate(999 * 24 + 1).is_err());
    }

    #[test]
    fn the_calendar_is_read_as_aws_reads_it() {
        let table = [
            ("0 3 ? * SUN *", (168, 168, 3)),
            ("0 3 ? * 1 *", (168, 168, 3)),
            ("0 0 ? * 2-6 *", (24, 72, 0)),
            ("0 5 1 * ? *", (28 * 24, 31 * 24, 5)),
            ("0 5 L * ? *", (28 * 24, 31 * 24, 5)),
            ("0 6 ? * 3#2 *", (28 * 24, 35 * 24, 6)),
            ("0 6 ? * 6L *", (28 * 24, 35 * 24, 6)),
            ("0 /12 * * ? *", (12, 12, 12)),
            ("0 4/8 * * ? *", (8, 8, 20)),
            ("0 1 1 1,7 ? *", (181 * 24, 184 * 24, 1)),
            ("0 0 29 2 ? *", (1461 * 24, 1461 * 24, 0)),
        ];
        for (text, expected) in table {
            assert_eq!(cron(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn sunday_is_the_first_day() {
        let days: Vec<_> = ["1", "7", "SUN", "2-6", "3#2", "6L", "1/2", "L"].map(days_from_sunday).into();
        assert_eq!(days, ["0", "6", "SUN", "1-5", "2#2", "5L", "0/2", "L"]);
    }

    #[test]
    fn schedules_that_secrets_manager_refuses_are_refused() {
        for wrong in [
            "",
            "0 3 * * ?",
            "30 3 * * ? *",
            "0 3 * * ? 2027",
            "0 3 * * * *",
            "0 3 ? * ? *",
            "0 25 * * ? *",
            "0 0/3 * * ? *",
            "0 * * * ? *",
            "0 3 30 2 ? *",
            "0 3 ? * 0 *",
            "0 3 ? * 8 *",
            "0 3 ? * FOO *",
        ] {
            assert!(cron(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn windows_end_before_the_next_rotation_and_the_end_of_the_day() {
        let window = |timing: Result<Timing, String>, hours| {
            timing.and_then(|timing| timing.with_window(HOUR * hours)).map(|timing| timing.schedule.window)
        };
        assert_eq!(window(Timing::every(30 * DAY), 24), Ok(Some(24)));
        assert_eq!(window(Timing::every(4 * HOUR), 4), Ok(Some(4)));
        assert_eq!(window(Timing::cron("0 20 ? * SUN *"), 4), Ok(Some(4)));
        assert!(window(Timing::every(30 * DAY), 25).is_err());
        assert!(window(Timing::every(30 * DAY), 0).is_err());
        assert!(window(Timing::every(4 * HOUR), 5).is_err());
        assert!(window(Timing::cron("0 20 ? * SUN *"), 5).is_err());
    }
}
