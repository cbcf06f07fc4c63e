//! Limits on how often operations may be called: token buckets on the virtual clock, one per account.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

/// What passes on the virtual clock when a call is throttled. Whoever is throttled waits and asks again, but waits on
/// a real clock; without this the virtual one would hardly move and the bucket stay empty.
pub(crate) const WAIT_AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// The limits in force.
#[derive(Debug, Default)]
pub(crate) struct Limits(Vec<Limit>);

/// One limit on every operation whose name begins with `prefix`.
#[derive(Debug)]
struct Limit {
    prefix: String,
    per_second: f64,
    burst: f64,
    /// By account.
    buckets: BTreeMap<String, Bucket>,
}

/// What was left, and when.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Limits {
    pub(crate) fn add(&mut self, prefix: &str, per_second: f64, burst: u32) {
        let limit = Limit { prefix: prefix.to_owned(), per_second, burst: burst.into(), buckets: BTreeMap::new() };
        self.0.push(limit);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts a call; `false` when one of the limits does not let it through.
    pub(crate) fn admit(&mut self, account: &str, operation: &str, now: Timestamp) -> bool {
        let mut admitted = true;
        for limit in self.0.iter_mut().filter(|limit| operation.starts_with(&limit.prefix)) {
            admitted &= limit.take(account, now);
        }
        admitted
    }
}

impl Limit {
    fn take(&mut self, account: &str, now: Timestamp) -> bool {
        let full = Bucket { tokens: self.burst, at: now };
        let bucket = self.buckets.entry(account.to_owned()).or_insert(full);
        let passed = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        let tokens = (bucket.tokens + passed * self.per_second).min(self.burst);
        let is_enough = tokens >= 1.0;
        *bucket = Bucket { tokens: if is_enough { tokens - 1.0 } else { tokens }, at: now };
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut limits = Limits::default();
        limits.add("iam:", 2.0, 3);
        let start = Timestamp::UNIX_EPOCH;
        let mut admitted = |account, operation, millis| {
            (0..5).filter(|_| limits.admit(account, operation, start + Duration::from_millis(millis))).count()
        };
        assert_eq!(admitted("1", "iam:GetUser", 0), 3, "the burst");
        assert_eq!(admitted("2", "iam:GetUser", 0), 3, "another account has its own");
        assert_eq!(admitted("1", "sts:GetCallerIdentity", 0), 5, "no limit");
        assert_eq!(admitted("1", "iam:ListUsers", 500), 1, "two a second");
        assert_eq!(admitted("1", "iam:ListUsers", 60_000), 3, "no more than the burst is saved up");
    }
}
