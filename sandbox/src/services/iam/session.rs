//! Opens sessions of roles: for AssumeRole, and for functions.

use std::collections::BTreeMap;
use std::time::Duration;

use super::credentials::{Credentials, Session};
use super::names::{ID_ALPHABET, account_of};
use crate::services::lambda::InstanceId;
use crate::{ApiError, World};

/// How long the tokens of the sandbox are. AWS's vary; applications are told not to rely on it.
const TOKEN_LENGTH: usize = 356;

/// Opens a session of a role, without asking whether the role's trust policy lets anybody: that is for whoever calls
/// this to ask. `instance` is the function instance that the session is for.
pub(crate) fn open_session(
    world: &mut World,
    role_arn: &str,
    session_name: &str,
    instance: Option<InstanceId>,
    lasting: Duration,
    tags: BTreeMap<String, String>,
) -> Result<Credentials, ApiError> {
    let role = world.iam.role_by_arn(role_arn)?;
    let (role, role_id) = (role.name.clone(), role.id.clone());
    let credentials = Credentials {
        access_key_id: format!("ASIA{}", world.random_text(ID_ALPHABET, 16)),
        secret_access_key: world.random_secret(40),
        session_token: Some(world.random_secret(TOKEN_LENGTH)),
    };
    let session = Session {
        credentials: credentials.clone(),
        account: account_of(role_arn).to_owned(),
        role,
        role_id,
        name: session_name.to_owned(),
        issued: world.now(),
        expires: world.agenda.after(lasting),
        tags,
        instance,
    };
    world.iam.sessions.insert(credentials.access_key_id.clone(), session);
    Ok(credentials)
}
