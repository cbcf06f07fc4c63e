//! Two deployments of one name that would meet in an account: one of a fleet that StackSets serves, and a direct one. What
//! they make has the same names, and each would end what the other does.

/// How they would meet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Meeting {
    /// A direct one would take the stack over that a fleet has in the management account.
    #[error("the function of the stack `{0}` finds its users by itself: a fleet that StackSets serves has made it")]
    FindsUsers(String),
    /// The fleet would take over the stack of a direct one there.
    #[error(
        "the stack `{0}` of this account names its users, and the fleet's finds them by itself: it would not go on with them"
    )]
    NamesUsers(String),
    /// A stack set would bring a stack to an account that has a direct one.
    #[error("the account has the stack `{0}` already, and StackSets would bring it another one with the same in it")]
    Direct(String),
    /// A direct one would make what the stack of a stack set has.
    #[error("the function `{function}` belongs to the stack `{stack}`: StackSets serves this account already")]
    StackSet {
        /// The function.
        function: String,
        /// The stack of the stack set.
        stack: String,
    },
}

impl Meeting {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::FindsUsers(_) => {
                "change it with `keyturn rollout` and the file of the fleet; or leave the account out there with `except` and delete the stack, which keeps keys and secrets; or choose another `stack`".to_owned()
            }
            Self::NamesUsers(_) => {
                "leave the account to its own deployment with `except`, or choose another `stack`; or `keyturn teardown` with its configuration first, which keeps keys and secrets: `keyturn status --fleet` then says how their rotation goes on".to_owned()
            }
            Self::Direct(stack) => format!(
                "leave the account out with `except`, and that deployment goes on; or take it away first, which keeps keys and secrets: `aws cloudformation delete-stack --stack-name {stack}`; or choose another `stack`"
            ),
            Self::StackSet { .. } => {
                "leave the account to the fleet; or take its stack out of the set with `aws cloudformation delete-stack-instances`, which keeps keys and secrets; or choose another `stack`".to_owned()
            }
        }
    }
}
