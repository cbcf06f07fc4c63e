//! MFA devices: each shows one code at a time, and a code counts once.

use super::account::State;
use crate::request::{Caller, Principal};
use crate::{ApiError, World};

/// How many digits a code has (STS API reference, AssumeRole, TokenCode).
const DIGITS: usize = 6;

/// A user's device.
#[derive(Debug)]
pub(crate) struct Device {
    account: String,
    user: String,
    code: String,
}

impl World {
    /// Gives a user an MFA device in place of any other one, and gives its serial number, which is an ARN.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn enable_mfa_device(&mut self, account: &str, user: &str) -> Result<String, ApiError> {
        let user = self.iam.user(account, user)?.name.clone();
        let serial = format!("arn:aws:iam::{account}:mfa/{user}");
        let code = self.random_text("0123456789", DIGITS);
        self.iam.devices.insert(serial.clone(), Device { account: account.to_owned(), user, code });
        Ok(serial)
    }

    /// The code that a device shows now, until it has been used.
    pub fn mfa_code(&self, serial: &str) -> Option<String> {
        self.iam.devices.get(serial).map(|device| device.code.clone())
    }
}

/// Checks a code that came with a request; `false` when none came. What is asked for without a code, and what is asked
/// for with a wrong one, are different things: the second is always refused.
pub(crate) fn is_proven(
    world: &mut World,
    caller: &Caller,
    serial: Option<&str>,
    code: Option<&str>,
) -> Result<bool, ApiError> {
    let (serial, code) = match (serial, code) {
        (None, None) => return Ok(false),
        (Some(serial), Some(code)) => (serial, code),
        _ => return Err(denied("must provide both MFA serial number and one time pass code")),
    };
    if code.len() != DIGITS || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::new("ValidationError", "1 validation error detected: the tokenCode has six digits"));
    }
    if !belongs_to(&world.iam, serial, caller) {
        return Err(denied(
            "unable to validate MFA code. Please verify your MFA serial number is valid and associated with this user",
        ));
    }
    let next = world.random_text("0123456789", DIGITS);
    match world.iam.devices.get_mut(serial) {
        Some(device) if device.code == code => {
            device.code = next;
            Ok(true)
        }
        _ => {
            let message = "MultiFactorAuthentication failed with invalid MFA one time pass code.";
            Err(ApiError::new("AccessDenied", message).with_status(403))
        }
    }
}

fn belongs_to(iam: &State, serial: &str, caller: &Caller) -> bool {
    let is_theirs =
        |device: &Device| device.account == caller.account && caller.principal == Principal::User(device.user.clone());
    iam.devices.get(serial).is_some_and(is_theirs)
}

fn denied(why: &str) -> ApiError {
    ApiError::new("AccessDenied", format!("MultiFactorAuthentication failed, {why}.")).with_status(403)
}
