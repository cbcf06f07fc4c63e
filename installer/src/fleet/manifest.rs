//! Reads `fleet.yaml`. What it says of an account is read as `keyturn.yaml` is, with the same checks and messages.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::time::Duration;

use contract::{AccountId, Enrolment, Region, UserName};
use serde_yaml::{Mapping, Value};

use super::engine::{self, Engine};
use super::selection::{Criteria, Exemptions, Selection};
use super::waves::{self, Pick, Tolerance, Wave};
use super::{Access, Central, Fleet, Wanted, enrolment};
use crate::config::fields::{Fault, Field, Fields, Place};
use crate::config::line::Step;
use crate::config::{self, ConfigError, FunctionConfig, Problem};

const FIELDS: [&str; 12] = [
    "version",
    "engine",
    "stacksets",
    "access",
    "accounts",
    "units",
    "except",
    "defaults",
    "central",
    "waves",
    "at_once",
    "ready_within",
];

/// How StackSets is asked.
const STACK_SETS: [&str; 5] = ["permissions", "as", "auto_deployment", "administration_role", "execution_role"];

/// The role that AWS Organizations makes in the accounts that it creates.
const ROLE: &str = "OrganizationAccountAccessRole";

/// How many accounts at the same time when nobody says, and at most: each needs some connections and a megabyte.
const AT_ONCE: usize = 10;
const MOST_AT_ONCE: usize = 200;

/// How long AWS takes to make a new account ready, as a rule.
const READY_WITHIN: Duration = Duration::from_mins(15);

pub(crate) fn parse(path: &Path, text: &str) -> Result<Fleet, ConfigError> {
    config::document(path, text, |document| build(path, document))
}

/// Reads the same when the function is to find the users.
pub(super) fn parse_enrolling(path: &Path, text: &str) -> Result<(Fleet, Enrolment), ConfigError> {
    config::document(path, text, |document| {
        let fleet = build(path, document)?;
        engine::check(&fleet)?;
        let enrolment = enrolment::of(&fleet)?;
        Ok((fleet, enrolment))
    })
}

fn build(path: &Path, document: Field) -> Result<Fleet, Fault> {
    let mut fields = document.fields(&FIELDS)?;
    config::version(fields.required("version")?)?;
    let defaults = Said::read(fields.required("defaults")?)?;
    let accounts = fields.optional("accounts").map_or(Ok(Vec::new()), |field| accounts(field, &defaults))?;
    let units = fields.optional("units").map_or(Ok(Vec::new()), units)?;
    if accounts.is_empty() && units.is_empty() {
        return Err(fields.place_of("accounts").fault(Problem::Missing));
    }
    let except = fields.optional("except").map_or(Ok(BTreeSet::new()), except)?;
    let by_default = defaults.wanted(None)?;
    let region = &by_default.config.region;
    Ok(Fleet {
        file: path.to_owned(),
        engine: fields.choice("engine", &Engine::CHOICES, Engine::Direct)?,
        stack_sets: engine::read(fields.inner("stacksets", &STACK_SETS)?)?,
        central: fields.optional("central").map(|field| central(field, region)).transpose()?,
        access: access(fields.inner("access", &["role", "external_id", "session_name", "tags"])?)?,
        waves: fields.optional("waves").map_or_else(|| Ok(waves::by_default()), waves)?,
        at_once: fields.optional("at_once").map_or(Ok(AT_ONCE), |field| between(field, 1, MOST_AT_ONCE))?,
        ready_within: fields.duration("ready_within", READY_WITHIN)?,
        defaults: by_default,
        accounts,
        units,
        except,
    })
}

fn access(mut fields: Fields) -> Result<Access, Fault> {
    let role = fields.optional("role").map(|field| {
        // IAM API reference: a path and a name; 64 characters the name.
        field.matching("the name of a role, with its path if it has one: `keyturn-rollout`, `ops/rollout`", |role| {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b"/_+=,.@-".contains(&b);
            (1..=576).contains(&role.len()) && !role.starts_with('/') && !role.ends_with('/') && role.bytes().all(legal)
        })
    });
    // STS API reference, AssumeRole.
    let external_id = fields.optional("external_id").map(|field| {
        field.matching("an external ID: 2 to 1,224 letters, digits or `_+=,.@:/-`", |id| {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b);
            (2..=1224).contains(&id.len()) && id.bytes().all(legal)
        })
    });
    let session_name = fields.optional("session_name").map(|field| {
        field.matching("the name of a session: 2 to 64 letters, digits or `_=,.@-`", |name| {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b"_=,.@-".contains(&b);
            (2..=64).contains(&name.len()) && name.bytes().all(legal)
        })
    });
    let tags = fields.optional("tags").map_or(Ok(BTreeMap::new()), texts)?;
    Ok(Access {
        role: role.transpose()?.unwrap_or_else(|| ROLE.to_owned()),
        external_id: external_id.transpose()?,
        session_name: session_name.transpose()?.unwrap_or_else(|| "keyturn".to_owned()),
        tags,
    })
}

/// Where all comes together. An empty mapping is enough for a log of everything.
fn central(field: Field, region: &Region) -> Result<Central, Fault> {
    let mut fields = field.fields(&["emails", "topic", "retention"])?;
    let retention = fields.optional("retention").map(config::log_retention);
    Ok(Central {
        emails: fields.optional("emails").map_or(Ok(Vec::new()), config::addresses)?,
        topic: fields.optional("topic").map(|field| config::topic(field, region)).transpose()?,
        log_retention_days: retention.transpose()?.unwrap_or(FunctionConfig::default().log_retention_days),
    })
}

fn accounts(field: Field, defaults: &Said) -> Result<Vec<(AccountId, Wanted)>, Fault> {
    let by_default = defaults.wanted(None)?;
    let (mut accounts, mut seen) = (Vec::new(), HashSet::new());
    for field in field.list()? {
        let place = field.place.clone();
        let (account, wanted) = if field.is_mapping() {
            let Value::Mapping(mut said) = field.into_value() else { continue };
            let id = said
                .shift_remove("id")
                .ok_or_else(|| place.then(Step::Key("id".to_owned())).fault(Problem::Missing))?;
            let id = account(Field::at(place.then(Step::Key("id".to_owned())), id))?;
            (id, defaults.wanted(Some(&Said { place: place.clone(), said }))?)
        } else {
            (account(field)?, by_default.clone())
        };
        if !seen.insert(account.clone()) {
            return Err(place.fault(Problem::Twice { name: account.to_string(), first: "an entry above".to_owned() }));
        }
        accounts.push((account, wanted));
    }
    Ok(accounts)
}

/// An account number. YAML takes one without quotes for a number, which it is as long as no zero is lost.
fn account(field: Field) -> Result<AccountId, Fault> {
    let place = field.place.clone();
    let text = match field.into_value() {
        Value::String(text) => text,
        Value::Number(number) if number.to_string().len() == 12 => number.to_string(),
        other => return Err(place.fault(Problem::kind(&other, "text"))),
    };
    text.parse().map_err(|error: contract::NameError| place.fault(Problem::Unusable(error.to_string())))
}

fn except(field: Field) -> Result<BTreeSet<AccountId>, Fault> {
    field.list()?.into_iter().map(account).collect()
}

/// Units and roots as Organizations names them.
fn units(field: Field) -> Result<Vec<String>, Fault> {
    let is_unit = |id: &str| {
        let mut parts = id.split('-');
        let is_part = |part: Option<&str>, length: std::ops::RangeInclusive<usize>| {
            part.is_some_and(|part| {
                length.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            })
        };
        match parts.next() {
            Some("ou") => is_part(parts.next(), 4..=32) && is_part(parts.next(), 8..=32) && parts.next().is_none(),
            Some("r") => is_part(parts.next(), 4..=32) && parts.next().is_none(),
            _ => false,
        }
    };
    let unit = |field: Field| field.matching("an organizational unit (`ou-…-…`) or a root (`r-…`)", is_unit);
    field.list()?.into_iter().map(unit).collect()
}

fn waves(field: Field) -> Result<Vec<Wave>, Fault> {
    let place = field.place.clone();
    let waves = field.list()?.into_iter().map(wave).collect::<Result<Vec<_>, _>>()?;
    if !matches!(waves.last(), Some(Wave { pick: Pick::Percent(100), .. })) {
        let text = "must end with `percent: 100`, so that no account is left out".to_owned();
        return Err(place.fault(Problem::Limit(text)));
    }
    Ok(waves)
}

fn wave(field: Field) -> Result<Wave, Fault> {
    let place = field.place.clone();
    let mut fields = field.fields(&["accounts", "count", "percent", "soak", "tolerate"])?;
    let named = fields.optional("accounts").map(|field| field.list()?.into_iter().map(account).collect());
    let count = fields.optional("count").map(|field| between(field, 1, 100_000));
    let percent = fields.optional("percent").map(|field| between(field, 1, 100));
    let pick = match (named.transpose()?, count.transpose()?, percent.transpose()?) {
        (Some(named), None, None) => Pick::Accounts(named),
        (None, Some(count), None) => Pick::Count(count),
        (None, None, Some(percent)) => Pick::Percent(percent),
        _ => {
            let text = "needs one of `accounts`, `count` and `percent`".to_owned();
            return Err(place.fault(Problem::Limit(text)));
        }
    };
    let soak = fields.duration("soak", Duration::ZERO)?;
    let tolerate = fields.optional("tolerate").map_or(Ok(Tolerance::Count(0)), tolerance)?;
    Ok(Wave { pick, soak, tolerate })
}

/// A number of accounts, or a share such as `5%`.
fn tolerance(field: Field) -> Result<Tolerance, Fault> {
    let place = field.place.clone();
    let value = field.into_value();
    let share = value.as_str().and_then(|text| text.strip_suffix('%')?.parse().ok()).filter(|percent| *percent <= 100);
    let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
    let tolerance = share.map(Tolerance::Percent).or(count.map(Tolerance::Count));
    tolerance.ok_or_else(|| place.fault(Problem::kind(&value, "a number of accounts or a share such as `5%`")))
}

fn between(field: Field, least: usize, most: usize) -> Result<usize, Fault> {
    let place = field.place.clone();
    let number = field.number()?;
    let fitting = usize::try_from(number).ok().filter(|number| (least..=most).contains(number));
    fitting.ok_or_else(|| place.fault(Problem::not(&number.to_string(), &format!("a number from {least} to {most}"))))
}

fn texts(field: Field) -> Result<BTreeMap<String, String>, Fault> {
    field.entries()?.into_iter().map(|(key, field)| Ok((key, field.text()?))).collect()
}

fn names(field: Field) -> Result<BTreeSet<String>, Fault> {
    field.list()?.into_iter().map(Field::text).collect()
}

fn selection(field: Field) -> Result<Selection, Fault> {
    let mut fields = field.fields(&["select", "exempt"])?;
    let mut select = fields.required("select")?.fields(&["path", "tags", "groups", "key_older_than"])?;
    let select = Criteria {
        path: select.optional("path").map(path).transpose()?,
        tags: select.optional("tags").map_or(Ok(BTreeMap::new()), texts)?,
        groups: select.optional("groups").map_or(Ok(BTreeSet::new()), names)?,
        key_older_than: select.optional("key_older_than").map(Field::duration).transpose()?,
    };
    let mut exempt = fields.inner("exempt", &["names", "path", "tags", "groups"])?;
    let names_of = |field: Field| field.list()?.into_iter().map(Field::parse::<UserName>).collect();
    let exempt = Exemptions {
        names: exempt.optional("names").map_or(Ok(BTreeSet::new()), names_of)?,
        path: exempt.optional("path").map(path).transpose()?,
        tags: exempt.optional("tags").map_or(Ok(BTreeMap::new()), texts)?,
        groups: exempt.optional("groups").map_or(Ok(BTreeSet::new()), names)?,
    };
    Ok(Selection { select, exempt })
}

fn path(field: Field) -> Result<String, Fault> {
    field.matching("the beginning of a path, such as `/service/`", |path| path.starts_with('/') && path.len() <= 512)
}

/// What the file says of an account, and where.
#[derive(Debug, Clone)]
struct Said {
    place: Place,
    said: Mapping,
}

impl Said {
    fn read(field: Field) -> Result<Self, Fault> {
        let place = field.place.clone();
        match field.into_value() {
            Value::Mapping(said) => Ok(Self { place, said }),
            other => Err(place.fault(Problem::kind(&other, "a mapping of fields"))),
        }
    }

    /// What is wanted where this holds, but for what `over` says.
    fn wanted(&self, over: Option<&Self>) -> Result<Wanted, Fault> {
        let mut said = self.said.clone();
        if let Some(over) = over {
            merge(&mut said, &over.said);
        }
        read(said).map_err(|Fault { place: Place(steps), problem }| {
            let said = over.filter(|over| over.says(&steps)).unwrap_or(self);
            let place = steps.into_iter().fold(said.place.clone(), |place, step| place.then(step));
            Fault { place, problem }
        })
    }

    /// Whether it says something of the field at the end of the way.
    fn says(&self, steps: &[Step]) -> bool {
        let mut value = &Value::Mapping(self.said.clone());
        for step in steps {
            let inner = match step {
                Step::Key(key) => value.get(key.as_str()),
                Step::Index(index) => value.get(*index),
            };
            match inner {
                Some(inner) => value = inner,
                None => return false,
            }
        }
        true
    }
}

/// Puts what an account says in place of what holds for all. Lists are replaced as a whole.
fn merge(said: &mut Mapping, over: &Mapping) {
    for (key, value) in over {
        match (said.get_mut(key), value) {
            (Some(Value::Mapping(inner)), Value::Mapping(over)) => merge(inner, over),
            _ => drop(said.insert(key.clone(), value.clone())),
        }
    }
}

fn read(mut said: Mapping) -> Result<Wanted, Fault> {
    let users = Place::of(&["users"]);
    let selection = match said.get_mut("users") {
        Some(found @ Value::Mapping(_)) => {
            let selected = std::mem::replace(found, Value::Sequence(Vec::new()));
            Some(selection(Field::at(users, selected))?)
        }
        _ => None,
    };
    let fields = Field::document(Value::Mapping(said)).fields(&config::FIELDS)?;
    Ok(Wanted { config: config::build(fields)?, selection })
}
