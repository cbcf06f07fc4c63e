//! The journal of a fleet: what was begun and what came to its end, one line each, so that a run can go on where another
//! one has stopped, and so that an account in which nothing has changed costs little. It holds no secret.
//!
//! A line is written before an account is touched, and behind what was done. Whoever dies in between has begun it, and
//! the next run looks at that account as at any other.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use contract::AccountId;
use serde::{Deserialize, Serialize};

use crate::names::excerpt;

/// The first line, with the version of the file.
const FIRST_LINE: &str = "{\"entry\":\"journal\",\"schema\":\"keyturn-journal/1\"}\n";

/// In bytes: the lines of a hundred runs over 1,000 accounts, which each run folds into one for each account.
const LARGEST: u64 = 64 * 1024 * 1024;

/// What an account was like when everything was done there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Of what was wanted, and of the function.
    pub input: String,
    /// The stacks, with what tells one state of them from another.
    pub stacks: Vec<Standing>,
}

/// A stack at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: String,
    /// When it was last updated, or made.
    pub updated: String,
}

/// A line behind the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "entry")]
enum Entry {
    /// A rollout begins, of what this names.
    Rollout { of: String },
    /// Something is about to be done in an account.
    Begun { account: AccountId },
    /// Everything is done there.
    Done {
        account: AccountId,
        #[serde(flatten)]
        done: Done,
    },
    /// Something failed there.
    Failed { account: AccountId },
    /// Nothing is there any more.
    Gone { account: AccountId },
    /// The rollout came to its end, whatever that was.
    Ended,
}

/// What the journal says of the past.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// How each account was left in which everything was done, and nothing was begun since.
    pub done: BTreeMap<AccountId, Done>,
    /// The last rollout, unless that one came to its end.
    pub unfinished: Option<Unfinished>,
}

/// A rollout that did not come to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// What was rolled out.
    pub of: String,
    /// The accounts in which everything is done.
    pub done: Vec<AccountId>,
}

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be read or written.
    #[error("the journal {} cannot be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else is at it.
    #[error("another run uses the journal {}", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{}:{line} is no line of a journal: `{text}`", path.display())]
    NoJournal {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is there.
        text: String,
    },
    /// The run was one of something else.
    #[error("the rollout in {} is one of another fleet file, or of another function", path.display())]
    AnotherRollout {
        /// The file.
        path: PathBuf,
    },
    /// There is no run to go on with.
    #[error("the journal {} has no rollout that did not come to its end", path.display())]
    NothingToResume {
        /// The file.
        path: PathBuf,
    },
}

impl JournalError {
    /// What to do now.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unusable { .. } => "choose another place for it with `--journal FILE`",
            Self::Locked { .. } => "wait for it, or stop it; two rollouts of one fleet would get into each other's way",
            Self::NoJournal { .. } => {
                "name the right file with `--journal`, or move this one away: without a journal every account is looked at anew"
            }
            Self::NothingToResume { .. } => "leave `--resume` out",
            Self::AnotherRollout { .. } => {
                "leave `--resume` out: every account is worked on again, and where nothing has changed that costs two calls"
            }
        }
    }
}

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens a journal, which is made when there is none, keeps others away from it, and says what it tells of the past.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(path: &Path) -> Result<(Self, Past), JournalError> {
        let unusable = |source| JournalError::Unusable { path: path.to_owned(), source };
        let options = OpenOptions::new().read(true).append(true).create(true).to_owned();
        let mut file = options.open(path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let mut text = String::new();
        (&mut file).take(LARGEST + 1).read_to_string(&mut text).map_err(unusable)?;
        if text.len() as u64 > LARGEST {
            // What it says last counts most, so a part of it is worth nothing.
            return Err(unusable(io::Error::from(io::ErrorKind::FileTooLarge)));
        }
        let past = read(path, &text)?;
        let mut journal = Self { path: path.to_owned(), file };
        journal.fold(&text, &past)?;
        Ok((journal, past))
    }

    /// Notes that a rollout begins. One that goes on with another does not.
    ///
    /// # Errors
    /// [`JournalError::Unusable`].
    pub fn begin(&mut self, of: &str) -> Result<(), JournalError> {
        self.write(&Entry::Rollout { of: of.to_owned() })
    }

    /// The accounts in which the last rollout has done everything, if it did not come to its end and was one of the
    /// same.
    ///
    /// # Errors
    /// [`JournalError::NothingToResume`], [`JournalError::AnotherRollout`].
    pub fn resumed(&self, past: &Past, of: &str) -> Result<Vec<AccountId>, JournalError> {
        let path = self.path.clone();
        match &past.unfinished {
            None => Err(JournalError::NothingToResume { path }),
            Some(unfinished) if unfinished.of != of => Err(JournalError::AnotherRollout { path }),
            Some(unfinished) => Ok(unfinished.done.clone()),
        }
    }

    /// Notes that something is about to be done in an account.
    ///
    /// # Errors
    /// [`JournalError::Unusable`]: then nothing must be done.
    pub fn begun(&mut self, account: &AccountId) -> Result<(), JournalError> {
        self.write(&Entry::Begun { account: account.clone() })
    }

    /// Notes that everything is done in an account.
    ///
    /// # Errors
    /// [`JournalError::Unusable`].
    pub fn done(&mut self, account: &AccountId, done: &Done) -> Result<(), JournalError> {
        self.write(&Entry::Done { account: account.clone(), done: done.clone() })
    }

    /// Notes that something failed in an account.
    ///
    /// # Errors
    /// [`JournalError::Unusable`].
    pub fn failed(&mut self, account: &AccountId) -> Result<(), JournalError> {
        self.write(&Entry::Failed { account: account.clone() })
    }

    /// Notes that nothing is in an account any more.
    ///
    /// # Errors
    /// [`JournalError::Unusable`].
    pub fn gone(&mut self, account: &AccountId) -> Result<(), JournalError> {
        self.write(&Entry::Gone { account: account.clone() })
    }

    /// Notes that the rollout came to its end.
    ///
    /// # Errors
    /// [`JournalError::Unusable`].
    pub fn end(&mut self) -> Result<(), JournalError> {
        self.write(&Entry::Ended)
    }

    /// Shortens a journal of finished runs to one line for each account, and a torn last line to nothing. Whoever dies
    /// meanwhile leaves a journal that knows less, and the accounts are looked at.
    fn fold(&mut self, text: &str, past: &Past) -> Result<(), JournalError> {
        let is_torn = !text.is_empty() && !text.ends_with('\n');
        let lines = text.lines().count();
        if !is_torn && lines > 0 && (past.unfinished.is_some() || lines <= 2 * past.done.len() + 3) {
            return Ok(());
        }
        let unusable = |source| JournalError::Unusable { path: self.path.clone(), source };
        if past.unfinished.is_some() {
            // Only the torn line goes: what the others say is still needed.
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            return self.file.set_len(whole as u64).map_err(unusable);
        }
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(unusable)?;
        self.append(FIRST_LINE.as_bytes()).map_err(unusable)?;
        past.done.iter().try_for_each(|(account, done)| self.done(account, done))
    }

    fn write(&self, entry: &Entry) -> Result<(), JournalError> {
        let line = serde_json::to_vec(entry).map_err(io::Error::from).map(|line| [&line[..], b"\n"].concat());
        let written = line.and_then(|line| self.append(&line));
        written.map_err(|source| JournalError::Unusable { path: self.path.clone(), source })
    }

    /// In one write, so that a line is there or torn, never mixed with another.
    fn append(&self, line: &[u8]) -> io::Result<()> {
        (&self.file).write_all(line)?;
        self.file.sync_data()
    }
}

/// Reads a journal. A line counts once its end is there: a torn one is what a run leaves that dies while it writes, and what
/// it would tell was not begun, or is looked at again.
fn read(path: &Path, text: &str) -> Result<Past, JournalError> {
    let mut past = Past::default();
    let Some(entries) = text.strip_prefix(FIRST_LINE) else {
        let is_torn = FIRST_LINE.starts_with(text);
        return if is_torn { Ok(past) } else { Err(no_journal(path, 1, text.lines().next().unwrap_or_default())) };
    };
    for (index, line) in entries.split_inclusive('\n').filter(|line| line.ends_with('\n')).enumerate() {
        let entry = serde_json::from_str(line).map_err(|_| no_journal(path, index + 2, line))?;
        take(&mut past, entry);
    }
    Ok(past)
}

fn take(past: &mut Past, entry: Entry) {
    match entry {
        Entry::Rollout { of } => past.unfinished = Some(Unfinished { of, done: Vec::new() }),
        Entry::Ended => past.unfinished = None,
        Entry::Begun { account } | Entry::Failed { account } | Entry::Gone { account } => {
            past.done.remove(&account);
            past.unfinished.iter_mut().for_each(|unfinished| unfinished.done.retain(|other| other != &account));
        }
        Entry::Done { account, done } => {
            past.unfinished.iter_mut().for_each(|unfinished| unfinished.done.push(account.clone()));
            past.done.insert(account, done);
        }
    }
}

fn no_journal(path: &Path, line: usize, text: &str) -> JournalError {
    JournalError::NoJournal { path: path.to_owned(), line, text: excerpt(text.trim_end()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u8) -> AccountId {
        AccountId::new(format!("{number:012}")).unwrap()
    }

    fn done(input: &str) -> Done {
        let standing = Standing {
            name: "keyturn".to_owned(),
            id: "arn:stack/1".to_owned(),
            status: "CREATE_COMPLETE".to_owned(),
            updated: "2026-01-01T00:00:00Z".to_owned(),
        };
        Done { input: input.to_owned(), stacks: vec![standing] }
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        (directory, path)
    }

    #[test]
    fn what_was_done_is_known_and_what_was_only_begun_is_not() {
        let (_directory, path) = place();
        let (mut journal, past) = Journal::open(&path).unwrap();
        assert_eq!(past, Past::default());
        journal.begin("one").unwrap();
        for number in 1..=4 {
            journal.begun(&account(number)).unwrap();
        }
        journal.done(&account(1), &done("a")).unwrap();
        journal.done(&account(2), &done("a")).unwrap();
        journal.failed(&account(3)).unwrap();
        journal.begun(&account(2)).unwrap();
        drop(journal);
        let (mut journal, past) = Journal::open(&path).unwrap();
        assert_eq!(past.done, BTreeMap::from([(account(1), done("a"))]));
        assert_eq!(journal.resumed(&past, "one").unwrap(), [account(1)]);
        assert!(matches!(journal.resumed(&past, "other"), Err(JournalError::AnotherRollout { .. })));
        journal.end().unwrap();
        drop(journal);
        let (journal, past) = Journal::open(&path).unwrap();
        assert_eq!(past.done.len(), 1);
        assert!(matches!(journal.resumed(&past, "one"), Err(JournalError::NothingToResume { .. })));
    }

    #[test]
    fn wherever_the_file_is_cut_it_can_be_read_and_says_nothing_that_was_not_so() {
        let (_directory, path) = place();
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.begin("one").unwrap();
        journal.begun(&account(1)).unwrap();
        journal.done(&account(1), &done("a")).unwrap();
        journal.begun(&account(1)).unwrap();
        journal.done(&account(1), &done("b")).unwrap();
        drop(journal);
        let whole = std::fs::read_to_string(&path).unwrap();
        for end in 0..=whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            let (journal, past) = Journal::open(&path).unwrap();
            let known = past.done.get(&account(1)).map(|done| done.input.clone());
            let last = whole[..end].split_inclusive('\n').rfind(|line| line.ends_with('\n'));
            let expected = last.filter(|line| line.contains("\"done\"")).map(|line| line.contains("\"b\""));
            assert_eq!(known.map(|input| input == "b"), expected, "cut at {end}");
            drop(journal);
            let (mut journal, again) = Journal::open(&path).unwrap();
            assert_eq!(again, past, "cut at {end}");
            journal.begun(&account(2)).unwrap();
            drop(journal);
            let (_, later) = Journal::open(&path).unwrap();
            assert_eq!(later, past, "cut at {end}");
        }
    }

    #[test]
    fn finished_runs_take_one_line_for_each_account() {
        let (_directory, path) = place();
        for _ in 0..20 {
            let (mut journal, _) = Journal::open(&path).unwrap();
            journal.begin("one").unwrap();
            for number in 1..=5 {
                journal.begun(&account(number)).unwrap();
                journal.done(&account(number), &done("a")).unwrap();
            }
            journal.end().unwrap();
        }
        let (_, past) = Journal::open(&path).unwrap();
        assert_eq!(past.done.len(), 5);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 6);
    }

    #[test]
    fn only_one_run_has_it() {
        let (_directory, path) = place();
        let (_journal, _) = Journal::open(&path).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::Locked { .. })));
    }

    #[test]
    fn what_is_no_journal_is_left_alone() {
        let (_directory, path) = place();
        let other_version = FIRST_LINE.replace("/1", "/2");
        for text in
            ["version: 1\n", "version: 1", "{\"entry\":\"rollout\"}\n", &other_version, other_version.trim_end()]
        {
            std::fs::write(&path, text).unwrap();
            let error = Journal::open(&path).unwrap_err();
            assert!(matches!(error, JournalError::NoJournal { line: 1, .. }), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
