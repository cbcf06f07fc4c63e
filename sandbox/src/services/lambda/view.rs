//! What tests and the demo may look at, the logs of functions, and may exchange: their code.

use super::function::{Code, arn_of};
use crate::World;
use crate::services::logs;

impl World {
    /// Everything that a function has written into its log group, oldest first, with Lambda's own lines.
    pub fn function_log(&self, account: &str, region: &str, function: &str) -> String {
        let Some(function) = self.lambda.functions.get(&arn_of(account, region, function)) else {
            return String::new();
        };
        logs::text(self, account, region, &function.configuration.logging.group)
    }

    /// Has a function run something else, as somebody may who can call UpdateFunctionCode. `None` when there is no such
    /// function.
    pub fn exchange_code(&mut self, account: &str, region: &str, function: &str, zip: &[u8]) -> Option<()> {
        let (now, revision) = (self.now(), self.random_uuid());
        let function = self.lambda.functions.get_mut(&arn_of(account, region, function))?;
        (function.code, function.modified, function.revision) = (Code::new(zip.into()), now, revision);
        Some(())
    }
}
