//! Any file as the journal of a rollout: it is read, and reads the same after it was folded, or an error that a person
//! can read says why not.
#![no_main]

use std::fs;

use contract::AccountId;
use installer::fleet::journal::Journal;
use libfuzzer_sys::fuzz_target;

mod common;

fuzz_target!(|bytes: &[u8]| {
    let path = common::file("journal", bytes);
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
            common::assert_readable(&error, error.hint());
            assert_eq!(fs::read(&path).ok().as_deref(), Some(bytes), "what is no journal is left alone");
        }
    }
});
