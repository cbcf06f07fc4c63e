//! The bucket that holds the function's zip and large templates. Every call names the account that must own it: a bucket's
//! name says nothing of that.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumMode, Delete, ObjectIdentifier};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::AccountId;
use sha2::{Digest as _, Sha256};

use super::{CallError, Clients, identity, reduce};

/// Whether a bucket holds these bytes under this name, by the checksum that S3 has taken of them. A bucket that does not
/// exist holds nothing, and of what was stored without that checksum nobody can tell.
///
/// # Errors
/// [`CallError`].
pub async fn holds(clients: &Clients, bucket: &str, key: &str, bytes: &[u8]) -> Result<bool, CallError> {
    let owner = identity::account(clients).await?;
    let asked = clients.s3.head_object().bucket(bucket).key(key).expected_bucket_owner(owner.as_str());
    let answer = asked.checksum_mode(ChecksumMode::Enabled).send().await.map_err(reduce("s3:GetObject"));
    match answer {
        Ok(answer) => Ok(answer.checksum_sha256() == Some(checksum(bytes).as_str())),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a bucket exists.
///
/// # Errors
/// [`CallError`].
pub async fn exists(clients: &Clients, bucket: &str) -> Result<bool, CallError> {
    let owner = identity::account(clients).await?;
    let asked = clients.s3.head_bucket().bucket(bucket).expected_bucket_owner(owner.as_str());
    match asked.send().await.map_err(reduce("s3:ListBucket")) {
        Ok(_) => Ok(true),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where a bucket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this region.
    Region(String),
    /// There is no such bucket.
    Nowhere,
    /// The caller may not know.
    Unknown,
}

/// Says in which region a bucket is. S3 tells it also when it is another one than that of the request (API reference,
/// HeadBucket).
///
/// # Errors
/// [`CallError`].
pub async fn place(clients: &Clients, bucket: &str) -> Result<Place, CallError> {
    let owner = identity::account(clients).await?;
    let asked = clients.s3.head_bucket().bucket(bucket).expected_bucket_owner(owner.as_str());
    let refusal = match asked.send().await {
        Ok(answer) => {
            return Ok(answer.bucket_region().map_or(Place::Unknown, |region| Place::Region(region.to_owned())));
        }
        Err(refusal) => refusal,
    };
    let told = refusal.raw_response().and_then(|answer| answer.headers().get("x-amz-bucket-region"));
    let region = told.map(str::to_owned);
    match (reduce("s3:ListBucket")(refusal), region) {
        (CallError::Denied { .. }, _) => Ok(Place::Unknown),
        (error, _) if is_missing(&error) => Ok(Place::Nowhere),
        (CallError::Refused { .. }, Some(region)) => Ok(Place::Region(region)),
        (error, _) => Err(error),
    }
}

/// Stores an object. S3 checks the bytes that arrive against their SHA-256.
///
/// # Errors
/// [`CallError`].
pub async fn put(clients: &Clients, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), CallError> {
    let owner = identity::account(clients).await?;
    let asked = clients.s3.put_object().bucket(bucket).key(key).expected_bucket_owner(owner.as_str());
    let asked = asked.checksum_sha256(checksum(&bytes));
    Box::pin(asked.body(ByteStream::from(bytes)).send()).await.map_err(reduce("s3:PutObject"))?;
    Ok(())
}

/// The URL under which CloudFormation reads an object.
pub fn url(clients: &Clients, bucket: &str, key: &str) -> String {
    match &clients.endpoint_url {
        Some(endpoint) => format!("{}/{bucket}/{key}", endpoint.trim_end_matches('/')),
        // The SDK knows the partition's domain, CloudFormation wants it written out.
        None => {
            let region = clients.s3.config().region().map(|region| region.to_string()).unwrap_or_default();
            let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            format!("https://{bucket}.s3.{region}.{domain}/{key}")
        }
    }
}

/// Deletes every version of every object; `None` when there is no such bucket, else how many there were.
///
/// # Errors
/// [`CallError`], also when S3 keeps a version.
pub async fn empty(clients: &Clients, bucket: &str) -> Result<Option<usize>, CallError> {
    let owner = identity::account(clients).await?;
    let mut deleted = 0;
    loop {
        // The first page is read again and again: what it showed is gone by then.
        let page = clients.s3.list_object_versions().bucket(bucket).expected_bucket_owner(owner.as_str()).send().await;
        let page = match page.map_err(reduce("s3:ListBucketVersions")) {
            Ok(page) => page,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
        let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        let mut objects = Vec::new();
        for (key, version) in versions.chain(markers) {
            let object =
                ObjectIdentifier::builder().key(key.unwrap_or_default()).set_version_id(version.map(str::to_owned));
            objects.push(object.build().map_err(|_| CallError::incomplete("s3:ListBucketVersions", "Key"))?);
        }
        if objects.is_empty() {
            return Ok(Some(deleted));
        }
        deleted += objects.len();
        delete(clients, (bucket, &owner), objects).await?;
    }
}

async fn delete(
    clients: &Clients,
    (bucket, owner): (&str, &AccountId),
    objects: Vec<ObjectIdentifier>,
) -> Result<(), CallError> {
    const OPERATION: &str = "s3:DeleteObjectVersion";
    let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
    let delete = delete.map_err(|_| CallError::incomplete(OPERATION, "Objects"))?;
    let asked = clients.s3.delete_objects().bucket(bucket).expected_bucket_owner(owner.as_str()).delete(delete);
    let answer = asked.send().await.map_err(reduce(OPERATION))?;
    match answer.errors().first() {
        None => Ok(()),
        Some(kept) => Err(CallError::Refused {
            operation: OPERATION,
            code: kept.code().unwrap_or_default().to_owned(),
            message: format!("{}: {}", kept.key().unwrap_or_default(), kept.message().unwrap_or_default()),
        }),
    }
}

/// The SHA-256 of an object, as S3 writes it.
fn checksum(bytes: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(bytes))
}

/// Whether the bucket or the object is not there. A refusal of a HEAD request has no body, and so no code.
fn is_missing(error: &CallError) -> bool {
    matches!(error.code(), Some("NotFound" | "NoSuchKey" | "NoSuchBucket" | "HTTP 404"))
}
