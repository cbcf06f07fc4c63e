//! The `alerts` part of the configuration.

use contract::Region;

use super::Alerts;
use super::account::arn_fields;
use super::error::Problem;
use super::fields::{Fault, Field, Fields};

/// The fields of `alerts`.
pub(super) const FIELDS: [&str; 4] = ["email", "topic", "dashboard", "central"];

/// Everybody has to confirm the address, and a stack holds 500 resources, one for each of them. More people have a
/// mailing list, or a topic of their own.
const MOST_ADDRESSES: usize = 10;

/// How long an address may be (RFC 5321, 4.5.3.1, with the erratum that counts the brackets).
const LONGEST_ADDRESS: usize = 254;

impl Default for Alerts {
    fn default() -> Self {
        Self { email: Vec::new(), topic: None, dashboard: true, central: None }
    }
}

/// Reads `alerts`.
pub(super) fn read(mut fields: Fields, home: &Region) -> Result<Alerts, Fault> {
    let default = Alerts::default();
    Ok(Alerts {
        email: fields.optional("email").map_or(Ok(Vec::new()), addresses)?,
        topic: fields.optional("topic").map(|field| topic(field, home)).transpose()?,
        dashboard: fields.optional("dashboard").map_or(Ok(default.dashboard), Field::flag)?,
        central: fields.optional("central").map(bus).transpose()?,
    })
}

pub(crate) fn addresses(field: Field) -> Result<Vec<String>, Fault> {
    let (place, list) = (field.place.clone(), field.place.to_string());
    let mut addresses: Vec<String> = Vec::new();
    for field in field.list()? {
        let place = field.place.clone();
        let address = field.matching("an e-mail address such as `team@example.org`", is_address)?;
        if let Some(first) = addresses.iter().position(|other| *other == address) {
            return Err(place.fault(Problem::Twice { name: address, first: format!("{list}[{first}]") }));
        }
        addresses.push(address);
    }
    match addresses.len() {
        many if many > MOST_ADDRESSES => {
            let problem = format!("has {many} addresses, and {MOST_ADDRESSES} are the most; a mailing list holds more");
            Err(place.fault(Problem::Limit(problem)))
        }
        _ => Ok(addresses),
    }
}

/// Whether it looks like an address that SNS takes: the forms that need quotes are left out.
fn is_address(text: &str) -> bool {
    let is_local = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-./=?^_`{|}~".contains(&b);
    let is_label = |label: &str| {
        let legal = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (1..=63).contains(&label.len()) && legal && !label.starts_with('-') && !label.ends_with('-')
    };
    let Some((local, host)) = text.split_once('@') else { return false };
    let is_host = host.contains('.') && host.split('.').all(is_label);
    text.len() <= LONGEST_ADDRESS && (1..=64).contains(&local.len()) && local.bytes().all(is_local) && is_host
}

/// The ARN of a standard topic in the home region: an alarm tells no other (CloudWatch user guide, "Notifying users on
/// alarm changes").
pub(crate) fn topic(field: Field, home: &Region) -> Result<String, Fault> {
    field.matching("the ARN of an SNS topic in the home region (`arn:…:sns:…`, not a FIFO topic)", |arn| {
        let is_name = |name: &str| {
            (1..=256).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        matches!(arn_fields(arn).as_slice(), ["sns", region, account, name]
            if *region == home.as_str() && account.len() == 12 && is_name(name))
    })
}

/// The ARN of an event bus, of whatever account and region: EventBridge sends to any of the same partition.
fn bus(field: Field) -> Result<String, Fault> {
    field.matching("the ARN of an event bus (`arn:…:events:…:event-bus/…`)", |arn| {
        let is_name = |name: &str| (1..=256).contains(&name.len()) && !name.contains(['/', ':']);
        matches!(arn_fields(arn).as_slice(), ["events", region, account, bus]
            if !region.is_empty() && account.len() == 12 && bus.strip_prefix("event-bus/").is_some_and(is_name))
    })
}
