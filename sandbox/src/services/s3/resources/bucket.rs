//! AWS::S3::Bucket.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::bucket::{Bucket, Settings, check_name, of_account};
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, tags};
use crate::{ApiError, World, partition};

pub(super) const SCHEMA: Schema = Schema {
    properties: &[
        "BucketName",
        "VersioningConfiguration",
        "BucketEncryption",
        "PublicAccessBlockConfiguration",
        "OwnershipControls",
        "LifecycleConfiguration",
        "Tags",
    ],
    required: &[],
    create_only: &["BucketName"],
    creation_takes: Duration::from_secs(20),
    identifier: Identifier::Property("BucketName"),
    readable: Some(&[
        "VersioningConfiguration",
        "BucketEncryption",
        "PublicAccessBlockConfiguration",
        "OwnershipControls",
        "LifecycleConfiguration",
        "Tags",
    ]),
};

/// Settings that are kept as they are given, each with the permission that it needs.
const KEPT: &[(&str, &str)] = &[
    ("BucketEncryption", "s3:PutEncryptionConfiguration"),
    ("PublicAccessBlockConfiguration", "s3:PutBucketPublicAccessBlock"),
    ("OwnershipControls", "s3:PutBucketOwnershipControls"),
    ("LifecycleConfiguration", "s3:PutLifecycleConfiguration"),
];

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let (name, settings) = wanted(order)?;
    // A bucket name has no upper-case letters.
    let name = name.unwrap_or_else(|| order.generated_name(world, 63).to_lowercase());
    permit(world, order, &name, "s3:CreateBucket")?;
    permit_settings(world, order, &name, &settings)?;
    open(world, &order.caller.account, &order.region, &name, settings)?;
    Ok(created(&name, &order.region))
}

pub(super) fn update(world: &mut World, order: &Order, id: &str) -> Result<Created, ApiError> {
    let (_, settings) = wanted(order)?;
    permit_settings(world, order, id, &settings)?;
    of_account(world, &order.caller.account, id)?.settings = settings;
    Ok(created(id, &order.region))
}

pub(super) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    permit(world, order, id, "s3:DeleteBucket")?;
    let Ok(bucket) = of_account(world, &order.caller.account, id) else { return Ok(()) };
    if !bucket.objects.is_empty() {
        let message = "The bucket you tried to delete is not empty. You must delete all versions in the bucket.";
        return Err(ApiError::new("BucketNotEmpty", message).with_status(409));
    }
    world.s3.buckets.remove(id);
    Ok(())
}

pub(super) fn find(world: &mut World, order: &Order) -> Result<Option<Created>, ApiError> {
    let Some(name) = wanted(order)?.0 else { return Ok(None) };
    permit(world, order, &name, "s3:ListBucket")?;
    let bucket = of_account(world, &order.caller.account, &name).ok();
    Ok(bucket.map(|bucket| created(&name, &bucket.region)))
}

pub(super) fn read(world: &World, order: &Order, id: &str) -> Option<Value> {
    let bucket = world.s3.buckets.get(id).filter(|bucket| bucket.account == order.caller.account)?;
    let Settings { versioned, others, tags: all } = &bucket.settings;
    let mut properties = others.clone();
    if *versioned {
        properties.insert("VersioningConfiguration".to_owned(), json!({ "Status": "Enabled" }));
    }
    properties.extend(tags(all).map(|tags| ("Tags".to_owned(), tags)));
    Some(Value::Object(properties.into_iter().collect()))
}

/// Opens a bucket under a name that nobody has, in any account.
pub(in super::super) fn open(
    world: &mut World,
    account: &str,
    region: &str,
    name: &str,
    settings: Settings,
) -> Result<(), ApiError> {
    check_name(name)?;
    if let Some(bucket) = world.s3.buckets.get(name) {
        return Err(match bucket.account == account {
            true => ApiError::new("BucketAlreadyOwnedByYou", format!("{name} already exists")).with_status(409),
            false => ApiError::new("BucketAlreadyExists", format!("{name} already exists")).with_status(409),
        });
    }
    let bucket = Bucket {
        account: account.to_owned(),
        region: region.to_owned(),
        settings,
        policy: None,
        objects: BTreeMap::new(),
    };
    world.s3.buckets.insert(name.to_owned(), bucket);
    Ok(())
}

fn wanted(order: &Order) -> Result<(Option<String>, Settings), ApiError> {
    let mut input = order.input()?;
    let name = input.text("BucketName")?;
    let versioned = match input.structure("VersioningConfiguration")? {
        None => false,
        Some(mut versioning) => {
            let status = versioning.required("Status")?;
            versioning.finish()?;
            match status.as_str() {
                "Enabled" => true,
                other => return Err(ApiError::unknown("versioning status", other)),
            }
        }
    };
    let tags = input.tags("Tags")?;
    let others = KEPT.iter().filter_map(|(property, _)| Some(((*property).to_owned(), input.value(property)?)));
    let others: BTreeMap<String, Value> = others.collect();
    input.finish()?;
    Ok((name, Settings { versioned, others, tags }))
}

fn permit_settings(world: &mut World, order: &Order, name: &str, settings: &Settings) -> Result<(), ApiError> {
    if settings.versioned {
        permit(world, order, name, "s3:PutBucketVersioning")?;
    }
    if !settings.tags.is_empty() {
        permit(world, order, name, "s3:PutBucketTagging")?;
    }
    let given = KEPT.iter().filter(|(property, _)| settings.others.contains_key(*property));
    given.into_iter().try_for_each(|(_, action)| permit(world, order, name, action))
}

fn permit(world: &mut World, order: &Order, name: &str, action: &str) -> Result<(), ApiError> {
    let arn = format!("arn:{}:s3:::{name}", order.caller.partition());
    world.authorize(&order.caller, action, &arn, &BTreeMap::new())
}

fn created(name: &str, region: &str) -> Created {
    let (partition, domain) = (partition::of(region), partition::domain(region));
    let attributes = [
        ("Arn", format!("arn:{partition}:s3:::{name}")),
        ("DomainName", format!("{name}.s3.{domain}")),
        ("RegionalDomainName", format!("{name}.s3.{region}.{domain}")),
    ];
    let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value));
    Created { physical_id: name.to_owned(), attributes: attributes.collect() }
}
