//! Whom the function enrols by itself, and how it makes their secrets: where one template serves many accounts, it cannot
//! name the users.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use crate::settings::variables;
use crate::{Renderings, SettingsError, UserName, matching};

/// Which users of an account are rotated without anybody naming them. Everything of path and tags must hold, and nothing
/// of `exempt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The beginning of the path; `/` is that of all users.
    pub path: String,
    /// Tags, each with the value; `*` for any.
    pub tags: BTreeMap<String, String>,
    /// Who is not enrolled.
    pub exempt: Exempt,
    /// When the keys are rotated: Secrets Manager's `rate(…)` or `cron(…)`.
    pub schedule: String,
    /// How many hours the rotation window is open; without it Secrets Manager's own choice.
    pub window: Option<u8>,
    /// The ARN of the key that encrypts new secrets, instead of the account's own.
    pub kms_key: Option<String>,
    /// In which other forms new secrets hold the key.
    pub render: Renderings,
}

/// What exempts a user; any of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exempt {
    /// Names.
    pub names: BTreeSet<UserName>,
    /// The beginning of the path.
    pub path: Option<String>,
    /// Tags, each with the value; `*` for any.
    pub tags: BTreeMap<String, String>,
}

impl Enrolment {
    /// Whether the tags of a user have to be known.
    pub fn asks_for_tags(&self) -> bool {
        !self.tags.is_empty() || !self.exempt.tags.is_empty()
    }

    /// Whether a user may be meant, as far as name and path tell.
    pub fn may_cover(&self, name: &UserName, path: &str) -> bool {
        let is_exempt = self.exempt.names.iter().any(|exempt| exempt.is_same_user(name))
            || self.exempt.path.as_ref().is_some_and(|exempt| matching::is_exempting_path(exempt, path));
        path.starts_with(&self.path) && !is_exempt
    }

    /// Whether a user with these tags is meant, whom name and path do not rule out.
    pub fn covers_tags(&self, tags: &BTreeMap<String, String>) -> bool {
        matching::has_tags(&self.tags, tags) && matching::exempting_tag(&self.exempt.tags, tags).is_none()
    }

    /// The schedule as the value of the tag [`SCHEDULE`](crate::tag_keys::SCHEDULE), in which a `cron(…)` could not stand.
    /// It is compared with the tag, and not with what Secrets Manager tells: that may be spelled in another way.
    pub fn schedule_tag(&self) -> String {
        let digest = Sha256::digest(format!("{} {:?}", self.schedule, self.window));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads the environment of a function; `variable` looks one variable up. `None` when it enrols nobody.
    ///
    /// # Errors
    /// [`SettingsError`] names the variable: whoever is exempt must not be lost.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, SettingsError> {
        let text = |name: &str| variable(name).filter(|text| !text.is_empty());
        let malformed = |variable, expected| SettingsError::Malformed { variable, expected };
        let tags = |name: &'static str| {
            let tags = text(name).map_or(Ok(BTreeMap::new()), |text| serde_json::from_str(&text));
            tags.map_err(|_| malformed(name, "a JSON object of tags"))
        };
        let Some(path) = text(variables::ENROL_PATH) else { return Ok(None) };
        let names = text(variables::EXEMPT_NAMES).unwrap_or_default();
        let names = names.split(';').filter(|name| !name.is_empty()).map(UserName::new).collect::<Result<_, _>>();
        let window = text(variables::SCHEDULE_WINDOW).map(|hours| hours.parse()).transpose();
        Ok(Some(Self {
            path,
            tags: tags(variables::ENROL_TAGS)?,
            exempt: Exempt {
                names: names.map_err(|_| malformed(variables::EXEMPT_NAMES, "a list of user names"))?,
                path: text(variables::EXEMPT_PATH),
                tags: tags(variables::EXEMPT_TAGS)?,
            },
            schedule: text(variables::SCHEDULE).ok_or(SettingsError::Missing(variables::SCHEDULE))?,
            window: window.map_err(|_| malformed(variables::SCHEDULE_WINDOW, "a number of hours"))?,
            kms_key: text(variables::KMS_KEY),
            render: Renderings::of_tag(text(variables::RENDER).as_deref())
                .map_err(|_| malformed(variables::RENDER, "a list of forms"))?,
        }))
    }

    /// The environment that [`Enrolment::read`] reads back.
    pub fn to_environment(&self) -> Vec<(&'static str, String)> {
        let tags = |tags: &BTreeMap<String, String>| {
            if tags.is_empty() { String::new() } else { serde_json::json!(tags).to_string() }
        };
        let names: Vec<&str> = self.exempt.names.iter().map(UserName::as_str).collect();
        vec![
            (variables::ENROL_PATH, self.path.clone()),
            (variables::ENROL_TAGS, tags(&self.tags)),
            (variables::EXEMPT_NAMES, names.join(";")),
            (variables::EXEMPT_PATH, self.exempt.path.clone().unwrap_or_default()),
            (variables::EXEMPT_TAGS, tags(&self.exempt.tags)),
            (variables::SCHEDULE, self.schedule.clone()),
            (variables::SCHEDULE_WINDOW, self.window.map(|hours| hours.to_string()).unwrap_or_default()),
            (variables::KMS_KEY, self.kms_key.clone().unwrap_or_default()),
            (variables::RENDER, self.render.to_tag().unwrap_or_default()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rendering;

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn name(name: &str) -> UserName {
        UserName::new(name).unwrap()
    }

    fn plain() -> Enrolment {
        Enrolment {
            path: "/service/".to_owned(),
            tags: BTreeMap::new(),
            exempt: Exempt::default(),
            schedule: "rate(30 days)".to_owned(),
            window: None,
            kms_key: None,
            render: Renderings::AsFound,
        }
    }

    fn full() -> Enrolment {
        Enrolment {
            tags: tags(&[("rotate", "*"), ("a=b;c", "x, y \"z\"")]),
            exempt: Exempt {
                names: [name("a,b"), name("c")].into(),
                path: Some("/service/old/".to_owned()),
                tags: tags(&[("keyturn", "never")]),
            },
            window: Some(3),
            kms_key: Some("arn:aws:kms:eu-central-1:111122223333:key/1234abcd".to_owned()),
            render: Renderings::Exactly([Rendering::Smtp].into()),
            ..plain()
        }
    }

    fn read(enrolment: &Enrolment, change: Option<(&str, &str)>) -> Result<Option<Enrolment>, SettingsError> {
        let environment = enrolment.to_environment();
        Enrolment::read(|asked| match change {
            Some((changed, value)) if changed == asked => Some(value.to_owned()),
            _ => environment.iter().find(|(known, _)| *known == asked).map(|(_, value)| value.clone()),
        })
    }

    #[test]
    fn an_enrolment_reads_back() {
        assert_eq!(read(&plain(), None), Ok(Some(plain())));
        assert_eq!(read(&full(), None), Ok(Some(full())));
        assert_eq!(Enrolment::read(|_| None), Ok(None));
        assert_eq!(read(&full(), Some((variables::ENROL_PATH, ""))), Ok(None));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_exempts_nobody_by_mistake() {
        let wrong = [
            (variables::ENROL_TAGS, "rotate=*"),
            (variables::EXEMPT_NAMES, "a;b c"),
            (variables::EXEMPT_TAGS, "{\"keyturn\":7}"),
            (variables::SCHEDULE_WINDOW, "3h"),
            (variables::RENDER, "sendmail"),
        ];
        for (variable, value) in wrong {
            let error = read(&full(), Some((variable, value)));
            assert!(matches!(error, Err(SettingsError::Malformed { variable: named, .. }) if named == variable));
        }
        let error = read(&full(), Some((variables::SCHEDULE, "")));
        assert_eq!(error, Err(SettingsError::Missing(variables::SCHEDULE)));
    }

    #[test]
    fn name_and_path_rule_users_out() {
        let table = [
            ("ci", "/service/", true),
            ("ci", "/service/mail/", true),
            ("ci", "/Service/", false),
            ("ci", "/", false),
            ("ci", "/service/OLD/", false),
            ("C", "/service/", false),
        ];
        for (user, path, may_be) in table {
            assert_eq!(full().may_cover(&name(user), path), may_be, "{path}{user}");
        }
    }

    #[test]
    fn all_tags_must_be_there_and_none_that_exempts() {
        let mut enrolment = full();
        enrolment.tags = tags(&[("rotate", "yes"), ("team", "*")]);
        let table = [
            (&[("rotate", "yes"), ("team", "a")][..], true),
            (&[("Rotate", "yes"), ("TEAM", "")], true),
            (&[("rotate", "Yes"), ("team", "a")], false),
            (&[("rotate", "yes")], false),
            (&[("rotate", "yes"), ("team", "a"), ("Keyturn", " Never ")], false),
            (&[("rotate", "yes"), ("team", "a"), ("keyturn", "later")], true),
        ];
        for (found, covered) in table {
            assert_eq!(enrolment.covers_tags(&tags(found)), covered, "{found:?}");
        }
        assert!(!plain().asks_for_tags() && full().asks_for_tags() && plain().covers_tags(&tags(&[])));
    }

    #[test]
    fn a_schedule_has_a_tag_of_its_own() {
        let daily = Enrolment { schedule: "cron(0 3 ? * SUN#1 *)".to_owned(), ..plain() };
        let shorter = Enrolment { window: Some(3), ..plain() };
        let all = [plain(), daily, shorter].map(|enrolment| enrolment.schedule_tag());
        assert!(all.iter().all(|tag| tag.bytes().all(|b| b.is_ascii_alphanumeric())), "{all:?}");
        assert_eq!(BTreeSet::from(all).len(), 3);
    }
}
