//! The clock of AWS: the `Date` header of an answer. Ages are counted by the clock that stamped the keys and versions,
//! so a wrong clock of our own can never hasten a deletion.

use std::sync::{Arc, OnceLock};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use jiff::Timestamp;

use crate::error::RotationError;

/// Keeps the time that the answer of one call carries.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnswerTime(Arc<OnceLock<DateTime>>);

impl AnswerTime {
    /// The time, once the call has been answered.
    pub(crate) fn read(&self) -> Result<Timestamp, RotationError> {
        super::timestamp(self.0.get().ok_or(RotationError::Answer("Date"))?)
    }
}

impl Intercept for AnswerTime {
    fn name(&self) -> &'static str {
        "AnswerTime"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        if let Some(date) = date.and_then(|text| DateTime::from_str(text, Format::HttpDate).ok()) {
            // A retried call has several answers; the first time is as good as the last, and earlier is safer.
            let _ = self.0.set(date);
        }
        Ok(())
    }
}
