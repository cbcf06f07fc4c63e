//! What tests and the demo may do with buckets directly: look at them, and put them there.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::bucket::{Bucket, Settings, Version, named};
use super::checksum::{etag, sha256};
use crate::{ApiError, World};

/// A bucket as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketView {
    /// The account it belongs to.
    pub account: String,
    /// The region it is in.
    pub region: String,
    /// Whether it keeps versions.
    pub versioned: bool,
    /// The other settings, by the names that CloudFormation has for them, such as `PublicAccessBlockConfiguration`.
    pub settings: BTreeMap<String, Value>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// The bucket policy.
    pub policy: Option<Value>,
    /// Every version of every object, in the order of the keys, oldest first.
    pub objects: Vec<ObjectView>,
}

/// A version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectView {
    /// The key.
    pub key: String,
    /// The version.
    pub version: String,
    /// How many bytes it has; `None` for a delete marker.
    pub size: Option<usize>,
}

impl World {
    /// Creates a bucket with versioning, without a permission being needed.
    ///
    /// # Errors
    /// `InvalidBucketName`, or `BucketAlreadyExists`.
    pub fn create_bucket(&mut self, account: &str, region: &str, name: &str) -> Result<(), ApiError> {
        let settings = Settings { versioned: true, ..Settings::default() };
        super::resources::open(self, account, region, name, settings)
    }

    /// Puts an object into a bucket together with its SHA-256, without a permission being needed.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub fn put_object(&mut self, bucket: &str, key: &str, content: Arc<[u8]>) -> Result<(), ApiError> {
        let (random, modified) = (self.random_uuid().replace('-', ""), self.now());
        let bucket = named(self, bucket)?;
        let id = if bucket.settings.versioned { random } else { "null".to_owned() };
        let (etag, sha256, body) = (etag(&content), Some(sha256(&content)), Some(content));
        bucket.push(key, Version { id, body, etag, sha256, content_type: None, modified });
        Ok(())
    }

    /// Exchanges the content of objects in a bucket, as somebody may who can write there: for each that `exchange` gives
    /// something for, by its key and content.
    pub fn exchange_objects(&mut self, bucket: &str, exchange: impl Fn(&str, &[u8]) -> Option<Vec<u8>>) {
        let objects = self.s3.buckets.get_mut(bucket).map(|bucket| &mut bucket.objects);
        for (key, versions) in objects.into_iter().flatten() {
            let latest =
                versions.last_mut().and_then(|version| Some((exchange(key, version.body.as_ref()?)?, version)));
            if let Some((content, version)) = latest {
                (version.etag, version.body) = (etag(&content), Some(content.into()));
            }
        }
    }

    /// The bucket with this name.
    pub fn bucket(&self, name: &str) -> Option<BucketView> {
        self.s3.buckets.get(name).map(view)
    }
}

fn view(bucket: &Bucket) -> BucketView {
    let objects = bucket.objects.iter().flat_map(|(key, versions)| {
        versions.iter().map(|version| ObjectView {
            key: key.clone(),
            version: version.id.clone(),
            size: version.body.as_ref().map(|body| body.len()),
        })
    });
    BucketView {
        account: bucket.account.clone(),
        region: bucket.region.clone(),
        versioned: bucket.settings.versioned,
        settings: bucket.settings.others.clone(),
        tags: bucket.settings.tags.clone(),
        policy: bucket.policy.clone(),
        objects: objects.collect(),
    }
}

/// The names of an account's buckets.
pub(crate) fn buckets_of(world: &World, account: &str) -> impl Iterator<Item = String> {
    world.s3.buckets.iter().filter(move |(_, bucket)| bucket.account == account).map(|(name, _)| name.clone())
}

/// The content of every version of every object, under its key.
pub(crate) fn texts(world: &World) -> impl Iterator<Item = (String, String)> {
    let objects = world.s3.buckets.values().flat_map(|bucket| &bucket.objects);
    objects.flat_map(|(key, versions)| {
        let bodies = versions.iter().filter_map(|version| version.body.as_ref());
        bodies.map(move |body| (key.clone(), String::from_utf8_lossy(body).into_owned()))
    })
}
