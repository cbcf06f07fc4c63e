//! Contracts of CloudFormation: change sets, stack operations and their events, failures and limits.

mod change_sets;
mod creation;
mod deletion;
mod drift;
mod express;
mod imports;
mod limits;
mod population;
mod summary;
mod updates;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudformation::operation::create_change_set::builders::CreateChangeSetFluentBuilder;
use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types::{Capability, ChangeSetType, Stack, Tag};
use sandbox::{Credentials, Options, Sandbox};

use crate::clients::{ACCOUNT, config};

/// One account, and a client that may do everything in it.
struct Cloud {
    sandbox: Sandbox,
    client: Client,
}

/// What an event says: logical id, status, reason.
type Told = (String, String, String);

impl Cloud {
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
        let credentials = sandbox.visit(|world| world.create_account(ACCOUNT)).await.unwrap();
        let client = client(&sandbox, &credentials);
        Self { sandbox, client }
    }

    /// A request for a change set named `changes`.
    fn change_set(&self, stack: &str, kind: ChangeSetType, template: &str) -> CreateChangeSetFluentBuilder {
        self.client
            .create_change_set()
            .stack_name(stack)
            .change_set_name("changes")
            .change_set_type(kind)
            .capabilities(Capability::CapabilityNamedIam)
            .template_body(template)
    }

    /// Creates a stack from a template and gives its id.
    async fn create(&self, template: &str) -> String {
        let made = self.change_set("cell", ChangeSetType::Create, template).send().await.unwrap();
        self.execute().await;
        // Its name is wanted for the next one.
        self.client.delete_change_set().change_set_name(made.id.unwrap()).send().await.unwrap();
        made.stack_id.unwrap()
    }

    /// Brings the stack to another template.
    async fn update(&self, template: &str) {
        self.change_set("cell", ChangeSetType::Update, template).send().await.unwrap();
        self.execute().await;
    }

    async fn execute(&self) {
        self.client.execute_change_set().stack_name("cell").change_set_name("changes").send().await.unwrap();
    }

    async fn described(&self) -> DescribeChangeSetOutput {
        let request = self.client.describe_change_set().stack_name("cell").change_set_name("changes");
        request.include_property_values(true).send().await.unwrap()
    }

    async fn stack(&self, stack: &str) -> Stack {
        let answer = self.client.describe_stacks().stack_name(stack).send().await.unwrap();
        answer.stacks.unwrap().remove(0)
    }

    async fn status(&self, stack: &str) -> String {
        self.stack(stack).await.stack_status.unwrap().to_string()
    }

    /// All events of a stack, oldest first.
    async fn events(&self, stack: &str) -> Vec<Told> {
        let mut told = Vec::new();
        let mut token = None;
        loop {
            let page =
                self.client.describe_stack_events().stack_name(stack).set_next_token(token).send().await.unwrap();
            for event in page.stack_events() {
                told.push((
                    event.logical_resource_id().unwrap().to_owned(),
                    event.resource_status().unwrap().to_string(),
                    event.resource_status_reason().unwrap_or_default().to_owned(),
                ));
            }
            token = page.next_token;
            if token.is_none() {
                told.reverse();
                return told;
            }
        }
    }

    /// Logical ids and statuses of the events since the stack began to do something for the last time.
    async fn last_operation(&self, stack: &str, first_status: &str) -> Vec<String> {
        let told = self.events(stack).await;
        let first = told.iter().rposition(|(name, status, _)| name == "cell" && status == first_status).unwrap();
        told[first..].iter().map(|(name, status, _)| format!("{name} {status}")).collect()
    }

    /// The names of the roles there are.
    async fn roles(&self) -> Vec<String> {
        let stacks = self.sandbox.visit(|world| world.stacks()).await;
        let resources = stacks.into_iter().flat_map(|stack| stack.resources);
        resources.filter(|it| it.kind == "AWS::IAM::Role").map(|it| it.physical_id).collect()
    }
}

fn client(sandbox: &Sandbox, credentials: &Credentials) -> Client {
    let Credentials { access_key_id, secret_access_key, session_token } = credentials;
    Client::new(&config(sandbox.endpoint(), access_key_id, secret_access_key, session_token.as_deref()))
}

/// Code and message of an error answer.
fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, SdkError<E>>,
) -> (String, String) {
    let error = result.expect_err("an error answer");
    (error.code().unwrap_or_default().to_owned(), error.message().unwrap_or_default().to_owned())
}

pub(crate) fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

const TRUST: &str = "{Version: '2012-10-17', Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: 'sts:AssumeRole'}]}";

/// A resource `logical_id` of type Role; `more` are further properties in YAML's flow form, each with a comma first.
pub(crate) fn role(logical_id: &str, more: &str) -> String {
    format!("  {logical_id}: {{Type: 'AWS::IAM::Role', Properties: {{AssumeRolePolicyDocument: {TRUST}{more}}}}}\n")
}

/// A role that is retained.
fn retained_role(logical_id: &str, more: &str) -> String {
    let policies = "DeletionPolicy: Retain, UpdateReplacePolicy: Retain";
    role(logical_id, more).replacen("{Type:", &format!("{{{policies}, Type:"), 1)
}

/// A managed policy that is attached to a role of the template and speaks of its ARN.
fn policy(logical_id: &str, of_role: &str, more: &str) -> String {
    let statement = format!("{{Effect: Allow, Action: 's3:GetObject', Resource: !GetAtt {of_role}.Arn}}");
    let document = format!("{{Version: '2012-10-17', Statement: [{statement}]}}");
    format!(
        "  {logical_id}: {{Type: 'AWS::IAM::ManagedPolicy', Properties: {{Roles: [!Ref {of_role}], PolicyDocument: {document}{more}}}}}\n"
    )
}

pub(crate) fn template(resources: &[String]) -> String {
    format!("Resources:\n{}", resources.concat())
}
