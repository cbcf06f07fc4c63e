//! Partitions: each region, and each account, is in one of them, and every ARN begins with its name.

/// The partition of a region (AWS Fault Isolation Boundaries, "Partitions").
pub(crate) fn of(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// The partition in an ARN.
pub(crate) fn in_arn(arn: &str) -> &str {
    arn.split(':').nth(1).unwrap_or_default()
}

/// The domain under which the services of a region are.
pub(crate) fn domain(region: &str) -> &'static str {
    if of(region) == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" }
}
