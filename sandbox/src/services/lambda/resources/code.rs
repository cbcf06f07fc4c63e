//! Where a function's code comes from: a zip in S3.

use super::super::function::{Code, invalid};
use crate::input::JsonInput;
use crate::services::cloudformation::resource::Order;
use crate::services::s3;
use crate::{ApiError, World};

/// A zip in a bucket.
pub(super) struct Source {
    bucket: String,
    key: String,
    version: Option<String>,
}

pub(super) fn take(input: &mut JsonInput) -> Result<Source, ApiError> {
    let mut code = input.structure("Code")?.ok_or_else(|| invalid("Please provide a source for function code."))?;
    let source = Source {
        bucket: code.required("S3Bucket")?,
        key: code.required("S3Key")?,
        version: code.text("S3ObjectVersion")?,
    };
    code.finish()?;
    Ok(source)
}

/// Reads the zip, with the permissions of whoever deploys and from the function's region only.
pub(super) fn fetch(world: &mut World, order: &Order, source: &Source) -> Result<Code, ApiError> {
    let Source { bucket, key, version } = source;
    let zip = s3::read_in_region(world, &order.caller, &order.region, bucket, key, version.as_deref());
    zip.map(Code::new).map_err(|error| match error.code.as_str() {
        "AccessDenied" => {
            let message = format!(
                "Your access has been denied by S3, please make sure your request credentials have permission to GetObject for {bucket}/{key}. S3 Error Code: AccessDenied. S3 Error Message: {}",
                error.message
            );
            ApiError::new("AccessDeniedException", message).with_status(403)
        }
        code => invalid(format!(
            "Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {}",
            error.message
        )),
    })
}
