//! The operations on roles that somebody calls directly; CloudFormation makes them as resources.

use super::account::tag_context;
use super::names::check_name;
use crate::answer::Xml;
use crate::input::QueryInput;
use crate::request::Caller;
use crate::{ApiError, World};

/// GetRole. The trust policy and the time of creation, which the model demands, are not shown: nobody reads them.
pub(super) fn get(world: &mut World, caller: &Caller, mut input: QueryInput) -> Result<Xml, ApiError> {
    let name = input.required("RoleName")?;
    input.finish()?;
    check_name("roleName", &name, 1..=64)?;
    let (arn, context) = match world.iam.role(&caller.account, &name) {
        Ok(role) => (role.arn.clone(), tag_context(&role.tags)),
        Err(_) => (format!("arn:aws:iam::{}:role/{name}", caller.account), Default::default()),
    };
    world.authorize(caller, "iam:GetRole", &arn, &context)?;
    let role = world.iam.role(&caller.account, &name)?;
    let path = role.arn.split_once(":role").and_then(|(_, rest)| rest.strip_suffix(role.name.as_str()));
    let shown = Xml::new()
        .text("Path", path.unwrap_or("/"))
        .text("RoleName", &role.name)
        .text("RoleId", &role.id)
        .text("Arn", &role.arn);
    Ok(Xml::new().element("Role", shown))
}
