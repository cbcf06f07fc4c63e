//! A pass that dies before or after each of its changes, loses an answer, or meets another one: the next pass brings
//! everybody to where an undisturbed one does.

use sandbox::{ApiError, Fault, FaultEffect};

use super::{HOUR, Member, enrolment};
use crate::stage::ACCOUNT;

/// What befalls a call. The SDK gets over what is lost by asking again.
fn effects() -> Vec<(&'static str, FaultEffect)> {
    let refusal = || ApiError::new("SimulatedRefusal", "as ordered");
    vec![
        ("killed_before", FaultEffect::KillBefore),
        ("killed_after", FaultEffect::KillAfter),
        ("refused", FaultEffect::FailBefore(refusal())),
        ("done_and_refused", FaultEffect::FailAfter(refusal())),
        ("request_lost", FaultEffect::LoseRequest),
        ("answer_lost", FaultEffect::LoseAnswer),
        ("another_pass", FaultEffect::Meanwhile(br#"{"enrol":"all"}"#.to_vec())),
    ]
}

impl Member {
    /// A pass in which this befalls a call, and then another one.
    async fn pass_struck(&self, operation: &str, after: usize, effect: FaultEffect) {
        let principal = Some("assumed-role/".to_owned());
        let fault = Fault { operation: Some(operation.to_owned()), principal, after, effect };
        self.stage.sandbox.visit(|world| world.inject(fault)).await;
        self.pass().await;
        let missed = self.stage.sandbox.visit(|world| world.clear_faults()).await;
        assert_eq!(missed, 0, "there was no such call: {operation}");
        self.pass_in_order().await;
    }

    async fn keys(&self, user: &str) -> usize {
        let user = user.to_owned();
        self.stage.sandbox.visit(move |world| world.access_keys(ACCOUNT, &user).len()).await
    }
}

#[tokio::test]
async fn joining_survives_any_strike() {
    let member = Member::deployed(enrolment(), None).await;
    for operation in ["secretsmanager:DescribeSecret", "secretsmanager:CreateSecret", "secretsmanager:RotateSecret"] {
        for (name, effect) in effects() {
            let user = format!("{}_{name}", &operation[15..]);
            member.user(&user, "/service/", &[("rotate", "yes")]).await;
            member.pass_struck(operation, 0, effect).await;
            assert_eq!((member.standing(&user).await.as_str(), member.keys(&user).await), ("on", 1), "{user}");
        }
    }
    member.assert_nothing_was_broken().await;
}

#[tokio::test]
async fn leaving_and_coming_back_survives_any_strike() {
    let member = Member::deployed(enrolment(), None).await;
    member.user("ci", "/service/", &[("rotate", "yes")]).await;
    member.pass_in_order().await;
    let key = member.key("ci").await;
    let leaving = [
        ("secretsmanager:TagResource", 0),
        ("secretsmanager:CancelRotateSecret", 0),
        ("secretsmanager:TagResource", 1),
    ];
    let returning = [("secretsmanager:RotateSecret", 0), ("secretsmanager:UntagResource", 0)];
    for (name, effect) in effects() {
        for (operation, after) in leaving {
            member.tag("ci", "rotate", "no").await;
            member.pass_struck(operation, after, effect.clone()).await;
            assert_eq!(member.standing("ci").await, "off, left", "{operation} {after} {name}");
            member.tag("ci", "rotate", "yes").await;
            member.pass_in_order().await;
            assert_eq!(member.standing("ci").await, "on", "{operation} {after} {name}");
        }
        for (operation, after) in returning {
            member.tag("ci", "rotate", "no").await;
            member.pass_in_order().await;
            member.tag("ci", "rotate", "yes").await;
            member.pass_struck(operation, after, effect.clone()).await;
            assert_eq!(member.standing("ci").await, "on", "{operation} {after} {name}");
        }
        member.stage.sandbox.advance(HOUR).await;
    }
    assert_eq!((member.key("ci").await, member.keys("ci").await), (key, 1), "nobody is rotated by that");
    member.assert_nothing_was_broken().await;
}
