//! Any text as the value of a tag: it is a mark of ours or refused, and a mark that was read is written and read again.
#![no_main]

use contract::{AccessKeyId, Attempt, GiveUp, KeyMark, Renderings, TagError, UserName};
use libfuzzer_sys::fuzz_target;

/// Longer than any error that names the tag and nothing else.
const LONGEST_ERROR: usize = 120;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = std::str::from_utf8(bytes) else { return };
    let Ok(key) = AccessKeyId::new("AKIAAAAAAAAAAAAAAAAA") else { return };
    check(Attempt::parse(value), |attempt| Attempt::parse(&attempt.to_tag()));
    check(KeyMark::parse(&key, value), |mark| KeyMark::parse(&key, &mark.to_tag()));
    check(GiveUp::parse(&key, value), |given_up| GiveUp::parse(&key, given_up.to_tag()));
    check(Renderings::of_tag(Some(value)), |renderings| Renderings::of_tag(renderings.to_tag().as_deref()));
    if let Ok(user) = UserName::of_tag(value) {
        assert!(UserName::of_tag(&user.to_tag()) == Ok(user));
    }
});

fn check<T: PartialEq>(read: Result<T, TagError>, again: impl Fn(&T) -> Result<T, TagError>) {
    match read {
        Ok(mark) => assert!(again(&mark) == Ok(mark), "it does not read back"),
        Err(error) => assert!(error.to_string().len() <= LONGEST_ERROR, "{error}"),
    }
}
