//! Replicas of the secrets: they come and go with the configuration, and a teardown removes them before their secret.

use crate::bootstrap::{configure, deployed};
use crate::stage::{ACCOUNT, REGION, Stage};

async fn replicas(stage: &Stage) -> Vec<String> {
    stage.sandbox.visit(|world| world.secret(ACCOUNT, REGION, "keyturn/alice").unwrap().replicas).await
}

async fn value(stage: &Stage) -> String {
    let read = |world: &mut sandbox::World| {
        world.secret_value(ACCOUNT, REGION, "keyturn/alice", "AWSCURRENT").unwrap().to_owned()
    };
    stage.sandbox.visit(read).await
}

#[tokio::test]
async fn replicas_come_and_go_with_the_configuration() {
    let stage = deployed(&["alice"]).await;
    let before = value(&stage).await;
    for regions in [vec!["eu-west-1", "us-east-1"], vec!["us-east-1"], vec![]] {
        configure(&stage, &["alice"], &format!("replicas: [{}]\n", regions.join(", ")));
        let run = stage.bootstrap(&[]).await;
        assert_eq!(run.code, 0, "{run}");
        assert_eq!(replicas(&stage).await, regions);
    }
    assert_eq!(value(&stage).await, before, "nobody has written over the key");
}

#[tokio::test]
async fn a_teardown_removes_replicas_before_their_secret() {
    let stage = deployed(&["alice"]).await;
    configure(&stage, &["alice"], "replicas: [eu-west-1, us-east-1]\n");
    assert_eq!(stage.bootstrap(&[]).await.code, 0);

    // What is kept keeps its replicas.
    let run = stage.keyturn(&["--yes", "teardown"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(replicas(&stage).await, ["eu-west-1", "us-east-1"]);

    stage.take_writes().await;
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke", "--recovery-window", "7"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stderr.contains("its replicas in eu-west-1, us-east-1 at once"), "{run}");
    let writes = stage.take_writes().await;
    let nth = |wanted: &str| writes.iter().position(|write| write == wanted).unwrap();
    assert!(nth("secretsmanager:RemoveRegionsFromReplication") < nth("secretsmanager:DeleteSecret"), "{writes:?}");
    assert_eq!(replicas(&stage).await, [] as [String; 0]);
}

/// The answer is lost, so the SDK asks again, and there is nothing left to remove.
#[tokio::test]
async fn a_lost_answer_does_not_stop_a_teardown() {
    let stage = deployed(&["alice"]).await;
    configure(&stage, &["alice"], "replicas: [eu-west-1]\n");
    assert_eq!(stage.bootstrap(&[]).await.code, 0);
    let lost = sandbox::Fault {
        operation: Some("secretsmanager:RemoveRegionsFromReplication".to_owned()),
        principal: None,
        after: 0,
        effect: sandbox::FaultEffect::LoseAnswer,
    };
    stage.sandbox.visit(move |world| world.inject(lost)).await;
    let run = stage.keyturn(&["--yes", "teardown", "--keys", "revoke"]).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(stage.sandbox.visit(|world| world.clear_faults()).await, 0);
}
