//! What a person does with keyturn, from nothing to nothing, and what must be seen in AWS after each step.

use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_iam::error::ProvideErrorMetadata;
use aws_sdk_iam::types::StatusType;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use serde_json::Value;

use crate::account::{Account, Run};
use crate::deviations::Deviations;

/// The stack.
const STACK: &str = "keyturn-second-opinion";

/// How long IAM may take until a new key works, or one that is gone does not, in tries of two seconds.
const TRIES: usize = 30;

/// What came of the steps.
#[derive(Debug)]
struct Diary {
    failed: Vec<String>,
    deviations: Deviations,
}

impl Diary {
    /// Notes a step, and says what came of it.
    async fn step(&mut self, what: &str, step: impl Future<Output = Result<(), String>>) {
        let begun = Instant::now();
        let outcome = step.await;
        let (told, failure) = match (outcome, self.deviations.take(what)) {
            (Ok(()), None) => ("ok".to_owned(), None),
            (Err(why), None) => (format!("FAILED: {why}"), Some(why)),
            (Err(why), Some(listed)) if why.contains(&listed.says) => {
                (format!("fails as listed: {}", listed.name), None)
            }
            (outcome, Some(listed)) => {
                let why = format!("the deviation {} is not seen: {outcome:?}", listed.name);
                (format!("FAILED: {why}"), Some(why))
            }
        };
        println!("{:>6.1} s  {what}: {told}", begun.elapsed().as_secs_f64());
        self.failed.extend(failure.map(|why| format!("{what}: {why}")));
    }

    /// The steps that failed, and the listed ones that there were none of.
    fn close(self) -> Vec<String> {
        let never = self.deviations.left().map(|listed| format!("{}: there is no such step", listed.step));
        self.failed.iter().cloned().chain(never).collect()
    }
}

/// Lives through everything, and gives the steps that failed, other than by the listed deviations. What was made is taken
/// away again.
pub(crate) async fn live(account: &Account, function: &Path, deviations: Deviations) -> Vec<String> {
    let mut diary = Diary { failed: Vec::new(), deviations };
    let artifact = function.to_str().unwrap();
    configure(account, "");
    diary.step("there is a user without a key", make_user(account)).await;
    diary
        .step("doctor finds nothing in the way", async {
            ends(account, &["doctor", "--artifact", artifact], 0).await.map(drop)
        })
        .await;
    diary
        .step("plan has changes", async {
            ends(account, &["plan", "--detailed-exitcode", "--artifact", artifact], 2).await.map(drop)
        })
        .await;
    diary
        .step("bootstrap deploys and gives the user a key that works", async {
            ends(account, &["--yes", "bootstrap", "--artifact", artifact], 0).await?;
            works(account, &current(account).await?).await
        })
        .await;
    diary
        .step("nothing is left to do", async {
            ends(account, &["plan", "--detailed-exitcode", "--artifact", artifact], 0).await.map(drop)
        })
        .await;
    diary
        .step("status says that all is well", async {
            ends(account, &["status", "--detailed-exitcode"], 0).await.map(drop)
        })
        .await;
    change_keys(account, &mut diary).await;
    change_configuration(account, artifact, &mut diary).await;
    diary.step("teardown takes everything away", take_away(account)).await;
    diary.step("the user is gone", delete_user(account)).await;
    diary.close()
}

/// Writes `keyturn.yaml`, with these lines at its end.
fn configure(account: &Account, more: &str) {
    let Account { region, user, .. } = account;
    account.configure(&format!("version: 1\nregion: {region}\nstack: {STACK}\nusers: [{user}]\n{more}"));
}

async fn change_configuration(account: &Account, artifact: &str, diary: &mut Diary) {
    diary
        .step("nothing has drifted", async {
            ends(account, &["plan", "--drift", "--detailed-exitcode", "--artifact", artifact], 0).await.map(drop)
        })
        .await;
    diary
        .step("another schedule is planned, and Secrets Manager has it afterwards, with the same key", async {
            let before = current(account).await?;
            configure(account, "schedule: { every: 45d }\nfunction: { log_retention: 30d }\n");
            ends(account, &["plan", "--detailed-exitcode", "--artifact", artifact], 2).await?;
            ends(account, &["--yes", "bootstrap", "--artifact", artifact], 0).await?;
            ends(account, &["plan", "--detailed-exitcode", "--artifact", artifact], 0).await?;
            let rules = describe(account).await?.rotation_rules;
            let schedule = rules.and_then(|rules| rules.schedule_expression).unwrap_or_default();
            if schedule != "rate(45 days)" {
                return Err(format!("Secrets Manager has the schedule `{schedule}`"));
            }
            if current(account).await?.id == before.id { Ok(()) } else { Err("the key is another one".to_owned()) }
        })
        .await;
    diary
        .step("a pass of the sweeper comes to its end, and leaves the key that is current", async {
            let payload = aws_sdk_lambda::primitives::Blob::new(r#"{"sweep": "all"}"#);
            let call = account.lambda().invoke().function_name(STACK).payload(payload);
            let answer = call.send().await.map_err(|error| failure(&error))?;
            if answer.function_error.is_some() {
                let payload = answer.payload.map(aws_sdk_lambda::primitives::Blob::into_inner).unwrap_or_default();
                return Err(String::from_utf8_lossy(&payload).into_owned());
            }
            works(account, &current(account).await?).await
        })
        .await;
    diary
        .step("status says that all is still well", async {
            ends(account, &["status", "--detailed-exitcode"], 0).await.map(drop)
        })
        .await;
}

async fn change_keys(account: &Account, diary: &mut Diary) {
    diary
        .step("rotate makes another key, and the one before goes on working", async {
            let before = current(account).await?;
            ends(account, &["rotate", &account.user, "--now"], 0).await?;
            let after = current(account).await?;
            differ(&before, &after)?;
            works(account, &after).await?;
            works(account, &before).await
        })
        .await;
    diary
        .step("hold keeps a rotation from the user, and release lets it", async {
            ends(account, &["hold", &account.user, "--reason", "a second opinion"], 0).await?;
            let refused = account.keyturn(&["rotate", &account.user, "--now"]).await;
            if refused.code == Some(0) {
                return Err(told(&refused));
            }
            ends(account, &["release", &account.user], 0).await.map(drop)
        })
        .await;
    diary
        .step("rollback makes the key before current", async {
            let before = current(account).await?;
            ends(account, &["--yes", "rollback", &account.user], 0).await?;
            let after = current(account).await?;
            differ(&before, &after)?;
            works(account, &after).await
        })
        .await;
    diary
        .step("credentials are those of the current key", async {
            let run = ends(account, &["credentials", &account.user], 0).await?;
            let printed: Value = serde_json::from_str(&run.stdout).map_err(|error| error.to_string())?;
            let current = current(account).await?;
            let is_same = printed["AccessKeyId"] == current.id.as_str();
            if is_same { Ok(()) } else { Err("they are of another key".to_owned()) }
        })
        .await;
    diary
        .step("revoke ends every key and makes another", async {
            let before = current(account).await?;
            ends(account, &["--yes", "revoke", &account.user], 0).await?;
            ends_working(account, &before).await?;
            let after = current(account).await?;
            differ(&before, &after)?;
            works(account, &after).await
        })
        .await;
}

/// A key as the secret has it.
struct Key {
    id: String,
    secret: String,
}

async fn make_user(account: &Account) -> Result<(), String> {
    match account.iam().get_user().user_name(&account.user).send().await {
        Ok(_) => {}
        Err(error) if error.code() == Some("NoSuchEntity") => {
            account.iam().create_user().user_name(&account.user).send().await.map_err(|error| failure(&error))?;
        }
        Err(error) => return Err(failure(&error)),
    }
    let keys = keys(account).await?;
    if keys.is_empty() { Ok(()) } else { Err(format!("{} has keys already: {keys:?}", account.user)) }
}

/// The keys of the user that are Active.
async fn keys(account: &Account) -> Result<Vec<String>, String> {
    let keys =
        account.iam().list_access_keys().user_name(&account.user).send().await.map_err(|error| failure(&error))?;
    let active = keys.access_key_metadata().iter().filter(|key| key.status() == Some(&StatusType::Active));
    Ok(active.filter_map(|key| key.access_key_id().map(str::to_owned)).collect())
}

fn secret(account: &Account) -> String {
    format!("keyturn/{}", account.user)
}

async fn describe(account: &Account) -> Result<DescribeSecretOutput, String> {
    account.secrets().describe_secret().secret_id(secret(account)).send().await.map_err(|error| failure(&error))
}

async fn current(account: &Account) -> Result<Key, String> {
    let value = account
        .secrets()
        .get_secret_value()
        .secret_id(secret(account))
        .send()
        .await
        .map_err(|error| failure(&error))?;
    let document: Value = serde_json::from_str(value.secret_string().unwrap_or_default()).unwrap_or_default();
    let text = |name: &str| document[name].as_str().map(str::to_owned);
    let key = text("AccessKeyId").zip(text("SecretAccessKey")).map(|(id, secret)| Key { id, secret });
    key.ok_or_else(|| "AWSCURRENT holds no key".to_owned())
}

fn differ(before: &Key, after: &Key) -> Result<(), String> {
    if before.id == after.id { Err("it is the same key".to_owned()) } else { Ok(()) }
}

/// Whether the key signs as the user.
async fn works(account: &Account, key: &Key) -> Result<(), String> {
    let expected = format!(":user/{}", account.user);
    match account.owner(&key.id, &key.secret).await {
        Some(arn) if arn.ends_with(&expected) => Ok(()),
        Some(arn) => Err(format!("the key is that of {arn}")),
        None => Err("AWS does not accept the key".to_owned()),
    }
}

/// Whether AWS stops accepting the key.
async fn ends_working(account: &Account, key: &Key) -> Result<(), String> {
    for _ in 0..TRIES {
        if account.owner(&key.id, &key.secret).await.is_none() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    Err("AWS goes on accepting the key".to_owned())
}

/// Runs `keyturn`, which must end with this code.
async fn ends(account: &Account, arguments: &[&str], code: i32) -> Result<Run, String> {
    let run = account.keyturn(arguments).await;
    if run.code == Some(code) { Ok(run) } else { Err(told(&run)) }
}

fn told(run: &Run) -> String {
    format!("exit code {:?}\n{}\n{}", run.code, run.stdout.trim_end(), run.stderr.trim_end())
}

async fn take_away(account: &Account) -> Result<(), String> {
    ends(account, &["--yes", "teardown", "--keys", "revoke"], 0).await?;
    let keys = keys(account).await?;
    if !keys.is_empty() {
        return Err(format!("{} still has {keys:?}", account.user));
    }
    let is_going = describe(account).await.map_or(true, |secret| secret.deleted_date().is_some());
    if is_going { Ok(()) } else { Err("the secret is still there".to_owned()) }
}

async fn delete_user(account: &Account) -> Result<(), String> {
    account.iam().delete_user().user_name(&account.user).send().await.map(drop).map_err(|error| failure(&error))
}

fn failure(error: &impl ProvideErrorMetadata) -> String {
    format!("{}: {}", error.code().unwrap_or("no answer"), error.message().unwrap_or_default())
}
