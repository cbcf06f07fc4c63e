//! One Active key per user (`retire.deactivate_after: 0s`): the superseded one is deactivated by the rotation itself.

use std::time::Duration;

use sandbox::KeyStatus::{Active, Inactive};
use sandbox::World;

use crate::bootstrap::{configure, current_keys};
use crate::invariants::watch;
use crate::stage::{ACCOUNT, Stage};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn the_superseded_key_is_inactive_when_the_rotation_ends() {
    let stage = Stage::with_users(&["alice"]).await;
    configure(&stage, &["alice"], "retire: { deactivate_after: 0s }\n");
    // What the sweeper does an hour later does not count here.
    watch(&stage).await;
    let run = stage.bootstrap(&[]).await;
    assert_eq!(run.code, 0, "{run}");
    let first = current_keys(&stage, &["alice"]).await.remove(0);
    // Somebody uses it to the last moment: that is no reason to wait in this mode.
    let used = first.clone();
    stage.sandbox.visit(move |world| world.record_use(&used, "s3", "eu-west-1").unwrap()).await;

    let run = stage.keyturn(&["rotate", "alice"]).await;
    assert_eq!(run.code, 0, "{run}");
    stage.sandbox.settle().await;
    let second = current_keys(&stage, &["alice"]).await.remove(0);
    let look = |world: &mut World| {
        let keys = world.access_keys(ACCOUNT, "alice").into_iter();
        (keys.map(|key| (key.id().to_owned(), key.status)).collect::<Vec<_>>(), world.findings().to_vec())
    };
    let (keys, findings) = stage.sandbox.visit(look).await;
    assert_eq!(keys, [(first, Inactive), (second.clone(), Active)]);
    assert_eq!(findings, [] as [String; 0]);

    // It can be brought back for its week, and is then deleted.
    stage.sandbox.visit(|world| world.pause_rules(false)).await;
    stage.sandbox.advance(8 * DAY).await;
    let (keys, findings) = stage.sandbox.visit(look).await;
    assert_eq!((keys, findings), (vec![(second, Active)], vec![]));
    stage.assert_no_secret_left_behind().await;
}
