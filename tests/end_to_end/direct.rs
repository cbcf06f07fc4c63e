//! The function invoked by hand, as those are used to who come from a function of their own: `{"rotate": "all"}`, and the
//! environment variable `secrets`.

use serde_json::json;

use crate::bootstrap::{configure, current_keys};
use crate::stage::Stage;

#[tokio::test]
async fn rotating_all_means_the_secrets_of_the_configuration() {
    let users = ["alice", "bob", "carol"];
    let stage = Stage::with_users(&users).await;
    configure(&stage, &users, "function: { secrets: [keyturn/alice, keyturn/carol] }\n");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let before = current_keys(&stage, &users).await;

    let (error, answer) = stage.invoke(br#"{"rotate": "all"}"#).await;
    assert_eq!((error, &answer["rotating"]), (None, &json!(["keyturn/alice", "keyturn/carol"])), "{answer}");
    stage.sandbox.settle().await;
    let after = current_keys(&stage, &users).await;
    let rotated: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before != after).collect();
    assert_eq!(rotated, [true, false, true]);

    let (error, answer) = stage.invoke(br#"{"rotate": ["bob", "mallory"]}"#).await;
    let failed = json!({
        "keyturn/bob": "it is not among the function's `secrets`",
        "mallory": "no secret of the stack belongs to this user",
    });
    assert_eq!((error, &answer["rotating"], &answer["failed"]), (None, &json!([]), &failed));
    stage.sandbox.settle().await;
    assert_eq!(current_keys(&stage, &users).await, after);

    // Taken out of the configuration, it holds for everybody again.
    configure(&stage, &users, "");
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let (_, answer) = stage.invoke(br#"{"rotate": ["bob"]}"#).await;
    assert_eq!(answer["rotating"], json!(["keyturn/bob"]), "{answer}");
    stage.sandbox.settle().await;
    assert_ne!(current_keys(&stage, &["bob"]).await, after[1..2]);
    stage.assert_no_secret_left_behind().await;
}
