//! The operations of the API.

use std::collections::BTreeMap;

use super::bucket::{Bucket, Version, named};
use super::checksum::etag;
use super::delete_list::{self, Doomed};
use super::error::{invalid_argument, no_such_key, no_such_version};
use super::route::Call;
use crate::answer::{Answer, Xml};
use crate::request::Request;
use crate::{ApiError, World};

/// The alphabet of version ids. They are "opaque strings" of up to 1,024 bytes.
const VERSION_ID: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.";

/// How every object is encrypted that is not encrypted otherwise, whether the caller asks for it or not ("Amazon S3 now
/// applies server-side encryption with Amazon S3 managed keys (SSE-S3) as the base level of encryption for every bucket").
const ENCRYPTION: &str = "AES256";

pub(super) fn head_bucket(world: &mut World, request: &Request, call: Call) -> Result<Answer, ApiError> {
    call.finish("")?;
    world.authorize(&request.caller, "s3:ListBucket", &call.arn(request.caller.partition()), &BTreeMap::new())?;
    let region = named(world, &call.bucket)?.region.clone();
    // A redirection has no body either, and says where the bucket is.
    let status = if region == request.region { 200 } else { 301 };
    Ok(Answer::Raw { status, headers: vec![("x-amz-bucket-region", region)], body: Vec::new() })
}

pub(super) fn get_bucket_location(world: &mut World, request: &Request, call: Call) -> Result<Answer, ApiError> {
    call.finish("location")?;
    let region = permitted(world, request, &call, "s3:GetBucketLocation")?.region.clone();
    // The oldest region has no name here.
    let constraint = if region == "us-east-1" { String::new() } else { region };
    Ok(Answer::Xml(Xml::new().text("LocationConstraint", constraint)))
}

pub(super) fn put_object(world: &mut World, request: &Request, mut call: Call) -> Result<Answer, ApiError> {
    let content_type = call.header("content-type");
    let if_none_match = call.header("if-none-match");
    let encryption = call.header("x-amz-server-side-encryption");
    call.finish("")?;
    if let Some(other) = encryption.filter(|algorithm| algorithm != ENCRYPTION) {
        return Err(ApiError::unknown("server-side encryption", &other));
    }
    if if_none_match.as_deref().is_some_and(|tag| tag != "*") {
        return Err(invalid_argument("If-None-Match takes no other value than *"));
    }
    let (now, id) = (world.now(), world.random_text(VERSION_ID, 32));
    let bucket = permitted(world, request, &call, "s3:PutObject")?;
    if if_none_match.is_some() && bucket.latest(&call.key).is_some_and(|version| version.body.is_some()) {
        let message = "At least one of the pre-conditions you specified did not hold";
        return Err(ApiError::new("PreconditionFailed", message).with_status(412));
    }
    let body = request.http.body.as_slice();
    let versioned = bucket.settings.versioned;
    let id = if versioned { id } else { "null".to_owned() };
    // It has been compared with the body before.
    let sha256 = request.http.headers.get("x-amz-checksum-sha256").cloned();
    let version =
        Version { id: id.clone(), body: Some(body.into()), etag: etag(body), sha256, content_type, modified: now };
    let mut headers = vec![("etag", version.etag.clone()), ("x-amz-server-side-encryption", ENCRYPTION.to_owned())];
    bucket.push(&call.key, version);
    if versioned {
        headers.push(("x-amz-version-id", id));
    }
    Ok(Answer::Raw { status: 200, headers, body: Vec::new() })
}

/// GetObject, and HeadObject: the server leaves the body away from an answer to HEAD.
pub(super) fn get_object(world: &mut World, request: &Request, mut call: Call) -> Result<Answer, ApiError> {
    let id = call.parameter("versionId");
    call.finish("")?;
    let action = if id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    let bucket = permitted(world, request, &call, action)?;
    let version = match &id {
        Some(id) => bucket.version(&call.key, id).ok_or_else(no_such_version)?,
        None => bucket.latest(&call.key).ok_or_else(no_such_key)?,
    };
    let body = version.body.as_ref().ok_or_else(no_such_key)?;
    let mut headers = vec![
        ("etag", version.etag.clone()),
        ("last-modified", version.modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        ("content-type", version.content_type.clone().unwrap_or("binary/octet-stream".to_owned())),
    ];
    if bucket.settings.versioned {
        headers.push(("x-amz-version-id", version.id.clone()));
    }
    if request.http.headers.get("x-amz-checksum-mode").is_some_and(|mode| mode == "ENABLED") {
        headers.extend(version.sha256.clone().map(|checksum| ("x-amz-checksum-sha256", checksum)));
    }
    Ok(Answer::Raw { status: 200, headers, body: body.to_vec() })
}

pub(super) fn delete_object(world: &mut World, request: &Request, mut call: Call) -> Result<Answer, ApiError> {
    let version = call.parameter("versionId");
    call.finish("")?;
    let doomed = Doomed { key: call.key.clone(), version };
    let (marker, id) = delete(world, request, &call.bucket, &doomed)?;
    let mut headers = Vec::new();
    headers.extend(marker.then(|| ("x-amz-delete-marker", "true".to_owned())));
    headers.extend(id.map(|id| ("x-amz-version-id", id)));
    Ok(Answer::Raw { status: 204, headers, body: Vec::new() })
}

pub(super) fn delete_objects(world: &mut World, request: &Request, mut call: Call) -> Result<Answer, ApiError> {
    call.header("content-type");
    call.finish("delete")?;
    if !request.http.headers.keys().any(|name| name.starts_with("x-amz-checksum-")) {
        let message = "Missing required header for this request: Content-MD5 or x-amz-checksum-*";
        return Err(ApiError::new("InvalidRequest", message));
    }
    let (list, quiet) = delete_list::read(&request.http.body)?;
    named(world, &call.bucket)?.check_region(&request.region)?;
    let mut result = Xml::new();
    for doomed in &list {
        let named = Xml::new().text("Key", &doomed.key).optional("VersionId", doomed.version.as_ref());
        match delete(world, request, &call.bucket, doomed) {
            Err(error) => {
                result = result.element("Error", named.text("Code", error.code).text("Message", error.message));
            }
            Ok(_) if quiet => {}
            Ok((marker, id)) => {
                let marker = marker.then_some("true");
                let made = id.filter(|_| marker.is_some());
                let deleted = named.optional("DeleteMarker", marker).optional("DeleteMarkerVersionId", made);
                result = result.element("Deleted", deleted);
            }
        }
    }
    Ok(Answer::Xml(Xml::new().element("DeleteResult", result)))
}

/// Deletes one version for good, or the object behind a delete marker. Gives whether a marker was made or removed, and
/// its version or the one that was deleted.
fn delete(
    world: &mut World,
    request: &Request,
    bucket: &str,
    doomed: &Doomed,
) -> Result<(bool, Option<String>), ApiError> {
    let action = if doomed.version.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
    let arn = format!("arn:{}:s3:::{bucket}/{}", request.caller.partition(), doomed.key);
    world.authorize(&request.caller, action, &arn, &BTreeMap::new())?;
    let (now, marker_id) = (world.now(), world.random_text(VERSION_ID, 32));
    let bucket = named(world, bucket)?;
    bucket.check_region(&request.region)?;
    match &doomed.version {
        Some(id) => {
            let removed = bucket.remove(&doomed.key, id);
            Ok((removed.is_some_and(|version| version.body.is_none()), Some(id.clone())))
        }
        None if bucket.settings.versioned => {
            let marker = Version {
                id: marker_id.clone(),
                body: None,
                etag: String::new(),
                sha256: None,
                content_type: None,
                modified: now,
            };
            bucket.push(&doomed.key, marker);
            Ok((true, Some(marker_id)))
        }
        None => {
            bucket.remove(&doomed.key, "null");
            Ok((false, None))
        }
    }
}

pub(super) fn list_object_versions(world: &mut World, request: &Request, mut call: Call) -> Result<Answer, ApiError> {
    let prefix = call.parameter("prefix").unwrap_or_default();
    let size = call.number("max-keys")?.unwrap_or(1000).min(1000);
    let after = (call.parameter("key-marker"), call.parameter("version-id-marker"));
    call.finish("versions")?;
    let bucket = permitted(world, request, &call, "s3:ListBucketVersions")?;
    // Keys in their order, the versions of each from new to old.
    let all: Vec<(&String, &Version, bool)> = bucket
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix))
        .flat_map(|(key, versions)| {
            let newest_first = versions.iter().rev().enumerate();
            newest_first.map(move |(age, version)| (key, version, age == 0))
        })
        .collect();
    let start = match &after {
        (None, _) => 0,
        (Some(key), None) => all.iter().take_while(|(present, ..)| *present <= key).count(),
        (Some(key), Some(id)) => {
            let last = all.iter().position(|(present, version, _)| *present == key && version.id == *id);
            last.ok_or_else(|| invalid_argument("Invalid version id specified"))? + 1
        }
    };
    let page: Vec<_> = all.iter().skip(start).take(size).collect();
    let is_truncated = start + page.len() < all.len();
    let mut list = Xml::new()
        .text("Name", &call.bucket)
        .text("Prefix", &prefix)
        .text("MaxKeys", size)
        .text("IsTruncated", is_truncated);
    if let Some((key, version, _)) = page.last().filter(|_| is_truncated) {
        list = list.text("NextKeyMarker", key).text("NextVersionIdMarker", &version.id);
    }
    let list = page.into_iter().fold(list, |list, (key, version, is_latest)| listed(list, key, version, *is_latest));
    Ok(Answer::Xml(Xml::new().element("ListVersionsResult", list)))
}

fn listed(list: Xml, key: &str, version: &Version, is_latest: bool) -> Xml {
    let modified = version.modified.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let entry = Xml::new().text("Key", key).text("VersionId", &version.id).text("IsLatest", is_latest);
    let entry = entry.text("LastModified", modified);
    match &version.body {
        None => list.element("DeleteMarker", entry),
        Some(body) => {
            let entry = entry.text("ETag", &version.etag).text("Size", body.len()).text("StorageClass", "STANDARD");
            list.element("Version", entry)
        }
    }
}

/// The bucket, if the caller may do this in it and the request went to its region.
fn permitted<'a>(
    world: &'a mut World,
    request: &Request,
    call: &Call,
    action: &str,
) -> Result<&'a mut Bucket, ApiError> {
    world.authorize(&request.caller, action, &call.arn(request.caller.partition()), &BTreeMap::new())?;
    let bucket = named(world, &call.bucket)?;
    bucket.check_region(&request.region)?;
    Ok(bucket)
}
