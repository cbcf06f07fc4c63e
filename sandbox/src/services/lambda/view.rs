//! What tests and the demo may look at: the logs of functions.

use super::function::arn_of;
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
}
