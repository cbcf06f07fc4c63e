//! Any file as the journal of a rollout: it is read, and reads the same after it was folded, or an error that a person
//! can read says why not.
#![no_main]

use std::error::Error as _;
use std::{env, fs, process};

use contract::AccountId;
use libfuzzer_sys::fuzz_target;

/// The library brings the AWS SDK along, so its journal is taken in as source.
#[path = "../../installer/src"]
#[allow(dead_code, reason = "the installer uses all of it")]
mod installer {
    pub(crate) mod names;
    pub(crate) mod fleet {
        pub(crate) mod journal;
    }
}

use installer::fleet::journal::Journal;
use installer::names;

/// Longer than any error that shows the first characters of a line, with its cause and its hint.
const LONGEST_ERROR: usize = 1_000;

fuzz_target!(|bytes: &[u8]| {
    let path = env::temp_dir().join(format!("keyturn-fuzz-{}", process::id()));
    fs::write(&path, bytes).expect("the directory for temporary files can be written to");
    match Journal::open(&path) {
        Ok((mut journal, past)) => {
            let Ok(account) = AccountId::new("111122223333") else { return };
            journal.begun(&account).expect("the file can be written to");
            drop(journal);
            let (_, later) = Journal::open(&path).unwrap_or_else(|error| panic!("it was open before: {error}"));
            let mut expected = past;
            expected.done.remove(&account);
            expected.unfinished.iter_mut().for_each(|unfinished| unfinished.done.retain(|other| other != &account));
            assert_eq!(later, expected);
        }
        Err(error) => {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            let shown = format!("{error}: {cause}\n{}", error.hint());
            assert!(shown.len() <= LONGEST_ERROR, "{} bytes", shown.len());
            assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
            assert_eq!(fs::read(&path).ok().as_deref(), Some(bytes), "what is no journal is left alone");
        }
    }
});
