//! Where a function's code comes from: a zip in S3.

use super::function::{Code, invalid};
use crate::input::JsonInput;
use crate::request::Caller;
use crate::services::s3;
use crate::{ApiError, World};

/// A zip in a bucket.
pub(super) struct Source {
    bucket: String,
    key: String,
    version: Option<String>,
}

/// Takes where the zip is from the parameters.
pub(super) fn take(input: &mut JsonInput) -> Result<Source, ApiError> {
    let bucket = input.text("S3Bucket")?.ok_or_else(|| invalid("Please provide a source for function code."))?;
    Ok(Source { bucket, key: input.required("S3Key")?, version: input.text("S3ObjectVersion")? })
}

/// Reads the zip, with the permissions of whoever deploys and from the function's region only.
pub(super) fn fetch(world: &mut World, caller: &Caller, region: &str, source: &Source) -> Result<Code, ApiError> {
    let Source { bucket, key, version } = source;
    let zip = s3::read_in_region(world, caller, region, bucket, key, version.as_deref());
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
