//! The names of the metrics that the function writes and that alarms and dashboard of its stack read.
//!
//! Every metric has one dimension, the stack: each further value of a dimension would be a metric of its own, and
//! CloudWatch charges for each (CloudWatch pricing, "custom metrics"). So the users that a metric counts, and the
//! reasons for which they are blocked, are only in the log line that carries it.

/// The namespace of all of them. It must not begin with `AWS/` (CloudWatch user guide, "Namespaces").
pub const NAMESPACE: &str = "keyturn";

/// The name of their dimension. Its value is the name of the stack, which is the function's name too.
pub const DIMENSION: &str = "Stack";

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit, in CloudWatch's words (API reference, MetricDatum).
    pub unit: &'static str,
}

const fn count(name: &'static str) -> Metric {
    Metric { name, unit: "Count" }
}

/// CloudWatch has no unit for days.
const fn days(name: &'static str) -> Metric {
    Metric { name, unit: "None" }
}

/// How many users a pass of the sweeper has looked at. No sample of it: the sweeper has not run.
pub const USERS_SWEPT: Metric = count("UsersSwept");
/// How many of them could not be swept; the next pass tries again.
pub const USERS_FAILED: Metric = count("UsersFailed");
/// How many of them a person has to look at: a key, or its binding to the user, is not as it should be.
pub const USERS_BLOCKED: Metric = count("UsersBlocked");
/// How many of them have a rotation that has stood still for an hour and that time alone does not bring on.
pub const ROTATIONS_STUCK: Metric = count("RotationsStuck");
/// How many Active keys are older than the settings allow. Keys that keyturn leaves alone are not among them.
pub const KEYS_OVER_AGE: Metric = count("KeysOverAge");
/// The age of the oldest current key.
pub const OLDEST_KEY_DAYS: Metric = days("OldestKeyDays");
/// The days until the next key moves on, or the next user is rotated.
pub const DAYS_TO_NEXT_STEP: Metric = days("DaysToNextStep");
/// A rotation has come to its end: the new key is current.
pub const ROTATIONS_FINISHED: Metric = count("RotationsFinished");
/// A step of a rotation has failed. Secrets Manager tries again, so one rotation may fail several times.
pub const ROTATIONS_FAILED: Metric = count("RotationsFailed");
/// A step of a rotation has stopped for one of the named [reasons](crate::blocked), which Lambda counts as an error.
pub const ROTATIONS_BLOCKED: Metric = count("RotationsBlocked");

/// How many users are enrolled, where the function enrols them by itself.
pub const USERS_ENROLLED: Metric = count("UsersEnrolled");
/// How many users a pass could not judge, enrol or let go; the next pass tries again.
pub const ENROLMENTS_FAILED: Metric = count("EnrolmentsFailed");

/// What only a function has that enrols users. Beside it such a pass counts those among [`USERS_BLOCKED`] who should be
/// enrolled and cannot be.
pub const OF_ENROLMENT: [Metric; 2] = [USERS_ENROLLED, ENROLMENTS_FAILED];

/// All that every function has. The first ten custom metrics of an account are free of charge (CloudWatch pricing, "free tier").
pub const ALL: [Metric; 10] = [
    USERS_SWEPT,
    USERS_FAILED,
    USERS_BLOCKED,
    ROTATIONS_STUCK,
    KEYS_OVER_AGE,
    OLDEST_KEY_DAYS,
    DAYS_TO_NEXT_STEP,
    ROTATIONS_FINISHED,
    ROTATIONS_FAILED,
    ROTATIONS_BLOCKED,
];
