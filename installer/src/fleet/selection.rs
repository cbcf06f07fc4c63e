//! Selects the users of an account by what IAM knows of them. Whoever is exempt is not selected, whatever else holds:
//! a key that stays is told, one that should have stayed is an outage.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contract::{UserName, matching};
use jiff::Timestamp;
use serde::Serialize;

use crate::aws::users::{AccessKey, KeyStatus, Person};

/// Which users there are to be, instead of a list of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// What all of them have in common.
    pub select: Criteria,
    /// What none of them has.
    pub exempt: Exemptions,
}

/// What a user must fulfil to be selected; all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Criteria {
    /// The beginning of the path.
    pub path: Option<String>,
    /// Tags, each with the value; `*` for any.
    pub tags: BTreeMap<String, String>,
    /// Groups, of which the user is in one at least.
    pub groups: BTreeSet<String>,
    /// The user has an Active key that is older. Whoever has been selected by that stays selected: a rotation makes
    /// the key young.
    pub key_older_than: Option<Duration>,
}

/// What exempts a user; any of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exemptions {
    /// Names.
    pub names: BTreeSet<UserName>,
    /// The beginning of the path.
    pub path: Option<String>,
    /// Tags, each with the value; `*` for any.
    pub tags: BTreeMap<String, String>,
    /// Groups.
    pub groups: BTreeSet<String>,
}

/// A user who is exempt, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exempted {
    /// The user.
    pub user: UserName,
    /// What exempts the user, such as ``the group `break-glass` ``.
    pub by: String,
}

/// Who is selected, before any key is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selected {
    /// The users, in the order of IAM.
    pub users: Vec<UserName>,
    /// The users who would be, were they not exempt.
    pub exempted: Vec<Exempted>,
}

impl Selection {
    /// Selects among the users of an account, but for the age of their keys: see [`Criteria::is_due`].
    pub fn among(&self, people: &[Person]) -> Selected {
        let mut selected = Selected::default();
        for person in people.iter().filter(|person| self.select.covers(person)) {
            match self.exempt.by(person) {
                Some(by) => selected.exempted.push(Exempted { user: person.name.clone(), by }),
                None => selected.users.push(person.name.clone()),
            }
        }
        selected
    }
}

impl Criteria {
    /// Whether a user fulfils everything but the age of the keys.
    fn covers(&self, person: &Person) -> bool {
        let by_tags = matching::has_tags(&self.tags, &person.tags);
        let by_groups = self.groups.is_empty() || self.groups.iter().any(|group| is_in(person, group));
        self.path.as_ref().is_none_or(|path| person.path.starts_with(path)) && by_tags && by_groups
    }

    /// Whether a user with these keys fulfils the age.
    pub fn is_due(&self, keys: &[AccessKey], now: Timestamp) -> bool {
        let is_older = |key: &AccessKey, age: Duration| {
            Duration::try_from(now.duration_since(key.created)).is_ok_and(|passed| passed > age)
        };
        self.key_older_than
            .is_none_or(|age| keys.iter().any(|key| key.status == KeyStatus::Active && is_older(key, age)))
    }
}

impl Exemptions {
    /// What exempts a user.
    fn by(&self, person: &Person) -> Option<String> {
        let by_name = self.names.iter().find(|name| name.is_same_user(&person.name)).map(|_| "the name".to_owned());
        let by_path = || {
            let path = self.path.as_ref().filter(|path| matching::is_exempting_path(path, &person.path))?;
            Some(format!("the path `{path}`"))
        };
        let by_tag = || {
            let found = matching::exempting_tag(&self.tags, &person.tags);
            found.map(|(key, value)| format!("the tag `{key}={value}`"))
        };
        let by_group = || {
            let group = self.groups.iter().find(|group| is_in(person, group));
            group.map(|group| format!("the group `{group}`"))
        };
        by_name.or_else(by_path).or_else(by_tag).or_else(by_group)
    }
}

/// IAM tells no two groups apart that differ in case only.
fn is_in(person: &Person, group: &str) -> bool {
    person.groups.iter().any(|found| found.eq_ignore_ascii_case(group))
}

#[cfg(test)]
mod tests {
    use contract::UserId;

    use super::*;

    fn person(name: &str, path: &str, groups: &[&str], tags: &[(&str, &str)]) -> Person {
        Person {
            name: UserName::new(name).unwrap(),
            id: UserId::new("AIDA0000000000000001").unwrap(),
            arn: format!("arn:aws:iam::111122223333:user{path}{name}"),
            path: path.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        }
    }

    fn people() -> Vec<Person> {
        vec![
            person("ci", "/service/", &["Rotated"], &[("Rotate", "yes")]),
            person("mail", "/service/mail/", &[], &[("rotate", "yes")]),
            person("fire", "/service/", &["Break-Glass"], &[("rotate", "yes")]),
            person("old", "/service/", &[], &[("rotate", "yes"), ("Keyturn", " Never ")]),
            person("odd", "/service/", &[], &[("rotate", "Yes")]),
            person("jane", "/people/", &["rotated"], &[]),
        ]
    }

    fn tags(key: &str, value: &str) -> BTreeMap<String, String> {
        [(key.to_owned(), value.to_owned())].into()
    }

    fn names(selected: &Selected) -> Vec<&str> {
        selected.users.iter().map(UserName::as_str).collect()
    }

    #[test]
    fn a_user_must_fulfil_everything_that_is_said() {
        let all = Exemptions::default();
        let by = |select| Selection { select, exempt: all.clone() }.among(&people());
        let path = Some("/service/".to_owned());
        assert_eq!(names(&by(Criteria::default())).len(), 6);
        assert_eq!(names(&by(Criteria { path: path.clone(), ..Criteria::default() })).len(), 5);
        let tagged = Criteria { path: path.clone(), tags: tags("rotate", "yes"), ..Criteria::default() };
        assert_eq!(names(&by(tagged)), ["ci", "mail", "fire", "old"]);
        assert_eq!(names(&by(Criteria { tags: tags("rotate", "*"), ..Criteria::default() })).len(), 5);
        let grouped = Criteria { groups: ["ROTATED".to_owned()].into(), path, ..Criteria::default() };
        assert_eq!(names(&by(grouped)), ["ci"]);
    }

    #[test]
    fn whoever_is_exempt_in_any_way_is_not_selected_and_told() {
        let select = Criteria { tags: tags("rotate", "*"), ..Criteria::default() };
        let exempt = Exemptions {
            names: [UserName::new("ODD").unwrap()].into(),
            path: Some("/service/MAIL/".to_owned()),
            tags: tags("keyturn", "never"),
            groups: ["break-glass".to_owned()].into(),
        };
        let selected = Selection { select, exempt }.among(&people());
        assert_eq!(names(&selected), ["ci"]);
        let exempted: Vec<_> =
            selected.exempted.iter().map(|exempted| (exempted.user.as_str(), exempted.by.as_str())).collect();
        let expected = [
            ("mail", "the path `/service/MAIL/`"),
            ("fire", "the group `break-glass`"),
            ("old", "the tag `keyturn=never`"),
            ("odd", "the name"),
        ];
        assert_eq!(exempted, expected);
    }

    #[test]
    fn only_an_active_key_makes_a_user_due() {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        let key = |created: &str, status| AccessKey {
            id: "AKIA0000000000000001".parse().unwrap(),
            status,
            created: created.parse().unwrap(),
        };
        let criteria = Criteria { key_older_than: Some(Duration::from_hours(24 * 90)), ..Criteria::default() };
        let old = "2026-01-01T00:00:00Z";
        let table = [
            (vec![], false),
            (vec![key("2026-05-01T00:00:00Z", KeyStatus::Active)], false),
            (vec![key(old, KeyStatus::Inactive)], false),
            (vec![key(old, KeyStatus::Inactive), key(old, KeyStatus::Active)], true),
        ];
        for (keys, due) in table {
            assert_eq!(criteria.is_due(&keys, now), due, "{keys:?}");
        }
        assert!(Criteria::default().is_due(&[], now));
    }
}
