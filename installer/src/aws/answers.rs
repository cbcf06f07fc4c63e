//! A limit for the size of an answer, so that nobody who answers in place of AWS can fill the memory.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::Limited;

/// In bytes. The largest answer of AWS is that of a function, 6 MiB (Lambda quotas, "Invocation payload").
const LARGEST: usize = 32 * 1024 * 1024;

/// Ends answers that are larger.
#[derive(Debug)]
pub(super) struct AnswerLimit;

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for AnswerLimit {
    fn name(&self) -> &'static str {
        "AnswerLimit"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        *body = SdkBody::from_body_1_x(Limited::new(std::mem::replace(body, SdkBody::taken()), LARGEST));
        Ok(())
    }
}
