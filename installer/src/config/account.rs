//! The parts of the configuration that name things of the account: buckets, policies, keys, regions, tags.

use std::collections::BTreeMap;

use contract::Region;

use super::error::Problem;
use super::fields::{Fault, Field};

/// A secret may have 50 tags (Secrets Manager quotas), a stack gives it all of its own, and keyturn needs some:
/// who it is bound to, its renderings, the attempt, what blocks it, how far the sweeper is, a hold, and two for each key
/// on its way out.
const TAGS: usize = 36;

/// `artifact_bucket`, the name of a bucket (S3 user guide, bucket naming rules).
pub(super) fn bucket(field: Field) -> Result<String, Fault> {
    field.matching("the name of a bucket", is_bucket_name)
}

/// Whether it can be the name of a bucket.
pub(crate) fn is_bucket_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    (3..=63).contains(&name.len()) && name.bytes().all(legal) && !name.starts_with('-') && !name.ends_with('-')
}

/// `permissions_boundary`, the ARN of a managed policy.
pub(super) fn policy(field: Field) -> Result<String, Fault> {
    field.matching("the ARN of a managed policy (`arn:…:iam::…:policy/…`)", |arn| {
        matches!(arn_fields(arn).as_slice(), ["iam", "", _, name] if name.starts_with("policy/") && name.len() > 7)
    })
}

/// `role_path`, an IAM path.
pub(super) fn path(field: Field) -> Result<String, Fault> {
    field.matching("a path that begins and ends with `/`, such as `/keyturn/`", |path| {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"/_+=,.@-".contains(&b);
        path.len() <= 512 && path.starts_with('/') && path.ends_with('/') && path.bytes().all(legal)
    })
}

/// `kms_key`, the ARN of a key in the home region. An alias would not do: policies know keys by their ARN only.
pub(super) fn key(field: Field, home: &Region) -> Result<String, Fault> {
    field.matching("the ARN of a KMS key in the home region (`arn:…:kms:…:key/…`, no alias)", |arn| {
        matches!(arn_fields(arn).as_slice(),
            ["kms", region, _, name] if *region == home.as_str() && name.starts_with("key/") && name.len() > 4)
    })
}

/// The service, region, account and resource of an ARN, with none of the characters that mean more in a policy.
pub(super) fn arn_fields(arn: &str) -> Vec<&str> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b":/_+=,.@-".contains(&b);
    match arn.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", _, fields @ ..] if arn.bytes().all(legal) => fields.to_vec(),
        _ => Vec::new(),
    }
}

/// `replicas`, regions other than the home region, each once.
pub(super) fn replicas(field: Field, home: &Region) -> Result<Vec<Region>, Fault> {
    let mut replicas: Vec<Region> = Vec::new();
    for (index, field) in field.list()?.into_iter().enumerate() {
        let place = field.place.clone();
        let region: Region = field.parse()?;
        if region == *home {
            let home = format!("is `{region}`, which is the home region; replicas are elsewhere");
            return Err(place.fault(Problem::Limit(home)));
        }
        if partition(&region) != partition(home) {
            let other = format!("is `{region}`, and nothing is replicated between it and the home region `{home}`");
            return Err(place.fault(Problem::Limit(other)));
        }
        if let Some(first) = replicas.iter().take(index).position(|other| *other == region) {
            let name = region.to_string();
            return Err(place.fault(Problem::Twice { name, first: format!("replicas[{first}]") }));
        }
        replicas.push(region);
    }
    Ok(replicas)
}

/// What the regions of a partition have in common: secrets are replicated within one only (Secrets Manager user guide,
/// "Replicate AWS Secrets Manager secrets across Regions").
fn partition(region: &Region) -> Option<&'static str> {
    ["cn-", "us-gov-", "us-iso", "eu-isoe-", "eusc-"].into_iter().find(|start| region.as_str().starts_with(start))
}

/// `tags`, as a secret may have them (Secrets Manager API reference, Tag).
pub(super) fn tags(field: Field) -> Result<BTreeMap<String, String>, Fault> {
    let place = field.place.clone();
    let mut tags = BTreeMap::new();
    for (key, value) in field.entries()? {
        let reserved = ["aws:", "keyturn:"].iter().any(|prefix| key.to_ascii_lowercase().starts_with(prefix));
        if reserved || key.len() > 128 || !key.chars().all(is_tag_character) {
            let expected =
                "the key of a tag: up to 128 letters, digits or ` _.:/=+-@`, not beginning with `aws:` or `keyturn:`";
            return Err(value.place.fault(Problem::not(&key, expected)));
        }
        let expected = "the value of a tag: up to 256 letters, digits or ` _.:/=+-@`";
        let value = value.matching(expected, |value| value.len() <= 256 && value.chars().all(is_tag_character))?;
        tags.insert(key, value);
    }
    if tags.len() > TAGS {
        let many = format!("has {} entries, and {TAGS} leave room for keyturn's own on a secret", tags.len());
        return Err(place.fault(Problem::Limit(many)));
    }
    Ok(tags)
}

fn is_tag_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c)
}
