//! Contracts of StackSets: which accounts get a stack, how operations go about it and end, and who may do what.

mod access;
mod auto_deployment;
mod code;
mod instances;
mod operations;
mod preferences;
mod quotas;
mod self_managed;
mod sets;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::create_stack_instances::builders::CreateStackInstancesFluentBuilder;
use aws_sdk_cloudformation::operation::create_stack_set::builders::CreateStackSetFluentBuilder;
use aws_sdk_cloudformation::types::{
    AccountFilterType, AutoDeployment, Capability, DeploymentTargets, ManagedExecution, PermissionModels,
    StackInstanceSummary, StackSetOperation,
};
use sandbox::{Credentials, Options, Sandbox};

use crate::clients::{ACCOUNT, REGION};
use crate::cloudformation::{role, template};
use crate::identity::{change, signed_by};

/// The accounts of the unit, in their order.
const MEMBERS: [&str; 3] = ["200000000001", "200000000002", "200000000003"];

/// One below the root, outside of the unit.
const OUTSIDER: &str = "200000000009";

/// A second region.
const FAR: &str = "us-east-1";

/// The service as Organizations knows it.
const SERVICE: &str = "member.org.stacksets.cloudformation.amazonaws.com";

/// An organization that trusts StackSets: a unit with three accounts, the last of them in a unit below it.
struct Fleet {
    sandbox: Sandbox,
    admin: Credentials,
    client: Client,
    root: String,
    unit: String,
    inner: String,
}

impl Fleet {
    /// Work is done as soon as it is begun.
    async fn start() -> Self {
        Self::with(Options::default()).await
    }

    /// Work is done only when the test advances the clock.
    async fn start_slow() -> Self {
        Self::with(Options { pace: 1e6, ..Options::default() }).await
    }

    async fn with(options: Options) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let (admin, root, unit, inner) = change(&sandbox, |world| {
            let admin = world.create_account(ACCOUNT)?;
            let root = world.create_organization(ACCOUNT)?;
            let unit = world.create_organizational_unit(&root, "workloads")?;
            let inner = world.create_organizational_unit(&unit, "production")?;
            for (member, parent) in MEMBERS.iter().zip([&unit, &unit, &inner]) {
                world.create_member_account(parent, member, member)?;
            }
            world.create_member_account(&root, OUTSIDER, "outsider")?;
            world.activate_stack_sets(ACCOUNT);
            Ok((admin, root, unit, inner))
        })
        .await;
        let client = Client::new(&signed_by(&sandbox, &admin));
        Self { sandbox, admin, client, root, unit, inner }
    }

    /// A request for a service-managed set named `keyturn`.
    fn set(&self, described: &str) -> CreateStackSetFluentBuilder {
        let auto = AutoDeployment::builder().enabled(true).retain_stacks_on_account_removal(false).build();
        self.client
            .create_stack_set()
            .stack_set_name("keyturn")
            .permission_model(PermissionModels::ServiceManaged)
            .auto_deployment(auto)
            .capabilities(Capability::CapabilityNamedIam)
            .template_body(described)
    }

    /// Has a set with one role in its template.
    async fn make_set(&self) {
        self.set(&template(&[role("Role", "")])).send().await.unwrap();
    }

    /// The same with managed execution.
    async fn make_managed_set(&self) {
        let managed = ManagedExecution::builder().active(true).build();
        self.set(&template(&[role("Role", "")])).managed_execution(managed).send().await.unwrap();
    }

    /// A request for instances in the unit and the usual region.
    fn instances(&self) -> CreateStackInstancesFluentBuilder {
        let create = self.client.create_stack_instances().stack_set_name("keyturn").regions(REGION);
        create.deployment_targets(self.targets(&self.unit))
    }

    fn targets(&self, unit: &str) -> DeploymentTargets {
        DeploymentTargets::builder().organizational_unit_ids(unit).build()
    }

    fn filtered(&self, filter: AccountFilterType, accounts: &[&str]) -> DeploymentTargets {
        let accounts = accounts.iter().map(|account| (*account).to_owned()).collect();
        let targets = DeploymentTargets::builder().organizational_unit_ids(&self.unit);
        targets.account_filter_type(filter).set_accounts(Some(accounts)).build()
    }

    /// Creates instances in the whole unit, and gives the id of the operation.
    async fn deploy(&self) -> String {
        let operation = self.instances().send().await.unwrap().operation_id.unwrap();
        self.sandbox.settle().await;
        operation
    }

    async fn operation(&self, id: &str) -> StackSetOperation {
        let described = self.client.describe_stack_set_operation().stack_set_name("keyturn").operation_id(id);
        described.send().await.unwrap().stack_set_operation.unwrap()
    }

    async fn status(&self, id: &str) -> String {
        self.operation(id).await.status.unwrap().to_string()
    }

    /// What the operation says of each place: the last three digits of the account, the status and its reason.
    async fn results(&self, id: &str) -> Vec<String> {
        let listed = self.client.list_stack_set_operation_results().stack_set_name("keyturn").operation_id(id);
        let shown = listed.send().await.unwrap().summaries.unwrap().into_iter().map(|result| {
            let (account, status) = (result.account.unwrap(), result.status.unwrap());
            let reason = result.status_reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{} {status}{reason}", &account[9..])
        });
        shown.collect()
    }

    async fn summaries(&self) -> Vec<StackInstanceSummary> {
        let listed = self.client.list_stack_instances().stack_set_name("keyturn").send().await.unwrap();
        listed.summaries.unwrap()
    }

    /// The instances: the last three digits of the account, the status and the detailed status.
    async fn shown(&self) -> Vec<String> {
        let shown = self.summaries().await.into_iter().map(|instance| {
            let detailed = instance.stack_instance_status.unwrap().detailed_status.unwrap();
            format!("{} {} {detailed}", &instance.account.unwrap()[9..], instance.status.unwrap())
        });
        shown.collect()
    }

    /// The stacks there are: account, status.
    async fn stacks(&self) -> Vec<String> {
        let stacks = self.sandbox.visit(|world| world.stacks()).await;
        let mut shown: Vec<_> =
            stacks.into_iter().map(|stack| format!("{} {}", &stack.account[9..], stack.status)).collect();
        shown.sort();
        shown
    }
}
