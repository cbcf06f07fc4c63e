//! A bootstrap that takes a secret over and gives keys up, struck at every call that changes something, and run again.

use sandbox::KeyStatus::{Active, Inactive};
use sandbox::World;

use super::{handmade, key, keys_of, plan};
use crate::bootstrap::{configure, working_key};
use crate::stage::{ACCOUNT, Stage};
use crate::strikes::{STRIKES, Strike, Written, all, writes};

/// `alice` has a secret and its key, `bob` two keys of which one is given up, `carol` a secret whose key is Inactive.
struct Scene {
    stage: Stage,
    current: String,
    kept: String,
    given_up: [String; 2],
}

async fn scene() -> Scene {
    let stage = Stage::with_users(&["alice", "bob", "carol"]).await;
    let named = ["{ name: alice, secret: prod/alice }", "bob", "{ name: carol, secret: prod/carol }"];
    configure(&stage, &named, "");
    let current = key(&stage, "alice", Active).await;
    handmade(&stage, "alice", "prod/alice", &current).await;
    let (bobs, kept) = (key(&stage, "bob", Inactive).await, key(&stage, "bob", Active).await);
    let (carols, disabled) = (key(&stage, "carol", Inactive).await, key(&stage, "carol", Inactive).await);
    handmade(&stage, "carol", "prod/carol", &disabled).await;
    stage.take_writes().await;
    Scene { stage, current, kept, given_up: [bobs, carols] }
}

impl Scene {
    fn command(&self) -> [&str; 5] {
        let [bobs, carols] = &self.given_up;
        ["bootstrap", "--reclaim", bobs, "--reclaim", carols]
    }

    async fn assert_done(&self, at: &str) {
        let Self { stage, current, kept, given_up } = self;
        stage.sandbox.settle().await;
        let look = |world: &mut World| {
            let bobs = working_key(world, "bob", "keyturn/bob");
            (bobs, working_key(world, "carol", "prod/carol"), world.findings().to_vec())
        };
        let (bobs, carols, findings) = stage.sandbox.visit(look).await;
        assert_eq!(keys_of(stage, "alice").await, [(current.clone(), Active)], "{at}: a rotation without need");
        assert_eq!(keys_of(stage, "bob").await, [(kept.clone(), Active), (bobs, Active)], "{at}");
        let of_carol = keys_of(stage, "carol").await;
        assert!(of_carol.len() == 2 && of_carol[1] == (carols, Active), "{at}: {of_carol:?}");
        let left = [&of_carol, &keys_of(stage, "bob").await].into_iter().flatten().any(|(id, _)| given_up.contains(id));
        assert!(!left && findings.is_empty(), "{at}: {findings:?}");
        let planned = plan(stage, &["--detailed-exitcode"]).await;
        assert_eq!(planned.code, 0, "{at}: {planned}");
        stage.assert_no_secret_left_behind().await;
    }
}

async fn survives(written: &Written, strike: Strike) {
    let scene = scene().await;
    let at = format!("{strike:?} at {written:?}");
    let run = strike.run(&scene.stage, written, &scene.command()).await;
    scene.stage.sandbox.settle().await;
    let again = scene.stage.bootstrap(&scene.command()[1..]).await;
    assert_eq!(again.code, 0, "{at}: {run}\n{again}");
    scene.assert_done(&at).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_of_users_as_they_are_found_is_completed_by_the_next() {
    let healthy = scene().await;
    let run = healthy.stage.bootstrap(&healthy.command()[1..]).await;
    assert_eq!(run.code, 0, "{run}");
    let writes = writes(&healthy.stage).await;
    healthy.assert_done("unharmed").await;
    assert!(writes.len() >= 10, "hardly any call is struck: {writes:?}");
    // Every strike at the calls of a deployment is tried elsewhere.
    let (own, others): (Vec<_>, Vec<_>) = writes.iter().partition(|written| written.is_to("secretsmanager"));
    assert!(own.len() >= 6, "two secrets are bound, two keys given up, two users rotated: {own:?}");
    for written in own {
        all(STRIKES.map(|strike| survives(written, strike))).await;
    }
    all(others.into_iter().map(|written| survives(written, Strike::Kill))).await;
}

#[tokio::test]
async fn a_key_is_retired_once_however_often_it_is_asked_for() {
    let stage = Stage::with_users(&["bob"]).await;
    configure(&stage, &["bob"], "");
    let (old, new) = (key(&stage, "bob", Active).await, key(&stage, "bob", Active).await);
    for _ in 0..3 {
        let run = stage.bootstrap(&["--retire", &old]).await;
        assert_eq!(run.code, 3, "{run}");
        assert_eq!(keys_of(&stage, "bob").await, [(old.clone(), Inactive), (new.clone(), Active)]);
    }
    let marks = move |world: &mut World| {
        let secret = world.secret(ACCOUNT, crate::stage::REGION, "keyturn/bob").unwrap();
        secret.tags.get(&format!("keyturn:key/{old}")).cloned()
    };
    assert!(stage.sandbox.visit(marks).await.is_some_and(|mark| mark.contains("deactivated=")));
}
