//! The regions that AWS has, so that a typing error is noticed. A new one may be missing here: whatever is not in the list is
//! only warned about.

use std::fmt;

use contract::Region;

/// AWS General Reference, "AWS Regions", and the partitions file of the SDKs.
const KNOWN: [&str; 39] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// How regions begin of which nobody outside hears.
const SECRET: [&str; 4] = ["us-iso-", "us-isob-", "us-isof-", "eu-isoe-"];

/// A name that AWS has not given to any region, as far as this version knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// What it says.
    pub what: String,
    /// What to do about it.
    pub to_do: String,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.to_do)
    }
}

/// Says of a region that is not known that it is not, and which one was probably meant.
pub fn doubt(region: &Region) -> Option<Doubt> {
    let name = region.as_str();
    if KNOWN.contains(&name) || SECRET.iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    let near = KNOWN.iter().map(|known| (strsim::damerau_levenshtein(known, name), *known)).min();
    // Two typing errors at most.
    let meant = near.filter(|(distance, _)| *distance <= 2).map(|(_, known)| format!("did you mean `{known}`? "));
    Some(Doubt {
        what: format!("keyturn knows no region {name}"),
        to_do: format!("{}it is used as it is, in case AWS has made it lately", meant.unwrap_or_default()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_doubted_and_a_region_is_not() {
        let doubt = |name: &str| doubt(&Region::new(name).unwrap());
        for known in ["eu-central-1", "us-west-2", "cn-north-1", "us-gov-west-1", "us-iso-east-1"] {
            assert_eq!(doubt(known), None, "{known}");
        }
        let typo = doubt("eu-centrl-1").unwrap();
        assert_eq!(typo.what, "keyturn knows no region eu-centrl-1");
        assert!(typo.to_do.starts_with("did you mean `eu-central-1`? "), "{typo:?}");
        assert!(!doubt("xx-nowhere-9").unwrap().to_do.contains("did you mean"));
    }
}
