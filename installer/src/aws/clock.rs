//! The clock of AWS: the latest `Date` header of its answers. A wrong local clock can never hasten anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use jiff::Timestamp;

/// The latest time that any answer of AWS has shown; every client of a run feeds the same clock.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Seconds since 1970; 0 before the first answer.
    latest: Arc<AtomicI64>,
}

impl Clock {
    /// What the clock shows; before the first answer of AWS, nothing.
    pub fn now(&self) -> Option<Timestamp> {
        match self.latest.load(Ordering::Relaxed) {
            0 => None,
            seconds => Timestamp::from_second(seconds).ok(),
        }
    }

    fn show(&self, date: &str) {
        if let Ok(time) = jiff::fmt::rfc2822::parse(date) {
            self.latest.fetch_max(time.timestamp().as_second(), Ordering::Relaxed);
        }
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "Clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date") {
            self.show(date);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_shows_the_latest_date_and_never_goes_back() {
        let clock = Clock::default();
        assert_eq!(clock.now(), None);
        clock.show("Thu, 01 Jan 2026 00:00:05 GMT");
        clock.show("Thu, 01 Jan 2026 00:00:03 GMT");
        clock.show("the day after");
        assert_eq!(clock.now().map(|now| now.to_string()).as_deref(), Some("2026-01-01T00:00:05Z"));
    }
}
