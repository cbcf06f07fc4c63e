//! The world: everything the sandbox knows, as plain data, and how it reacts to a request.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::agenda::Agenda;
use crate::answer::{Answer, HttpReply, Protocol};
use crate::call_log::{Call, Check, Outcome};
use crate::fault::{Effect as FaultEffect, Faults, Saboteur, Upcoming};
use crate::interference::Interferences;
use crate::limit::{self, Limits};
use crate::request::{Caller, HttpRequest, Request};
use crate::services::lambda::{Effect, InstanceId, InvocationId};
use crate::services::unsigned::Unsigned;
use crate::services::{self, Service};
use crate::{ApiError, Fault, Options};

/// Everything the sandbox knows. Tests describe it through the methods that the services add, such as
/// `create_user`, and look at it through the same.
pub struct World {
    pub(crate) agenda: Agenda,
    pub(crate) random: fastrand::Rng,
    pub(crate) faults: Faults,
    saboteur: Option<Saboteur>,
    limits: Limits,
    pub(crate) interferences: Interferences,
    calls: Vec<Call>,
    checks: Vec<Check>,
    effects: Vec<Effect>,
    observer: Option<Observer>,
    findings: Vec<String>,
    /// What policies were needed for, if anybody wants to know.
    pub(crate) needed: Option<services::iam::Needed>,
    /// Every secret text that was ever drawn, for tests that search for them.
    pub(crate) secret_texts: Vec<String>,
    pub(crate) events: services::events::State,
    pub(crate) iam: services::iam::State,
    pub(crate) lambda: services::lambda::State,
    pub(crate) s3: services::s3::State,
    pub(crate) secrets_manager: services::secrets_manager::State,
    pub(crate) cloudformation: services::cloudformation::State,
    pub(crate) cloudwatch: services::cloudwatch::State,
    pub(crate) logs: services::logs::State,
    pub(crate) organizations: services::organizations::State,
    pub(crate) sns: services::sns::State,
}

/// Looks at the world after every call and says what is wrong with it.
type Observer = Box<dyn FnMut(&World, &Call) -> Vec<String> + Send>;

/// What happens with a request.
pub(crate) enum Reaction {
    Reply(HttpReply),
    Close,
    /// Neither answer nor close.
    Silence,
    /// Kill the calling function's process, then close; it must not live to see that.
    Kill(InstanceId),
    /// The answer comes with the end of this invocation.
    Later(InvocationId),
    /// The call is done when this invocation has ended.
    Hold(InvocationId),
}

/// Whether a call meets with what has been ordered for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Exposed,
    /// It was held up, and has met with everything before.
    Undisturbed,
}

impl World {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            agenda: Agenda::new(options.start),
            random: fastrand::Rng::with_seed(options.seed),
            faults: Faults::default(),
            saboteur: None,
            limits: Limits::default(),
            interferences: Interferences::default(),
            calls: Vec::new(),
            checks: Vec::new(),
            effects: Vec::new(),
            observer: None,
            findings: Vec::new(),
            needed: None,
            secret_texts: Vec::new(),
            events: services::events::State::default(),
            iam: services::iam::State::default(),
            lambda: services::lambda::State::default(),
            s3: services::s3::State::default(),
            secrets_manager: services::secrets_manager::State::default(),
            cloudformation: services::cloudformation::State::default(),
            cloudwatch: services::cloudwatch::State::default(),
            logs: services::logs::State::default(),
            organizations: services::organizations::State::default(),
            sns: services::sns::State::default(),
        }
    }

    /// What the virtual clock shows.
    pub fn now(&self) -> Timestamp {
        self.agenda.now()
    }

    /// Every request so far, oldest first.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Forgets the requests so far.
    pub fn clear_calls(&mut self) {
        self.calls.clear();
    }

    /// Orders a fault.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// Takes back the faults that have not struck, and says how many they were.
    pub fn clear_faults(&mut self) -> usize {
        self.faults.clear()
    }

    /// Has `saboteur` decide before every call what befalls it, unless an ordered fault does already.
    pub fn sabotage(&mut self, saboteur: impl FnMut(&mut Self, &Upcoming) -> Option<FaultEffect> + Send + 'static) {
        self.saboteur = Some(Box::new(saboteur));
    }

    /// Lets the clock jump. What falls due on the way is late, and happens while whatever is under way goes on.
    pub fn jump(&mut self, by: Duration) {
        self.agenda.pass(by);
    }

    /// Has every operation whose name begins with `prefix`, such as `iam:`, be throttled: an account may call them
    /// `burst` times at once and `per_second` times in the long run, on the virtual clock. That clock moves a
    /// millisecond with each call, and a second with each that is throttled, for which its caller is taken to wait.
    pub fn limit_calls(&mut self, prefix: &str, per_second: f64, burst: u32) {
        self.limits.add(prefix, per_second, burst);
    }

    /// Takes back every limit on calls.
    pub fn clear_limits(&mut self) {
        self.limits.clear();
    }

    /// Has `observer` look at the world after every call; what it says is kept in [`World::findings`].
    pub fn observe(&mut self, observer: impl FnMut(&World, &Call) -> Vec<String> + Send + 'static) {
        self.observer = Some(Box::new(observer));
    }

    /// What the observer has found wrong so far.
    pub fn findings(&self) -> &[String] {
        &self.findings
    }

    /// Answers a request: who is it, what does it want, which fault strikes, may it, and do it.
    pub(crate) fn react(&mut self, http: &HttpRequest) -> Reaction {
        self.take(http, Course::Exposed)
    }

    /// Answers a request that was held up.
    pub(crate) fn resume(&mut self, http: &HttpRequest) -> Reaction {
        self.take(http, Course::Undisturbed)
    }

    fn take(&mut self, http: &HttpRequest, course: Course) -> Reaction {
        self.agenda.pass_a_request();
        let request_id = self.random_uuid();
        if let Some(unsigned) = Unsigned::of(http) {
            let result = unsigned.handle(self, http);
            return self.close_call(unsigned.protocol(), &request_id, "anonymous", unsigned.name(), result);
        }
        let service = match Service::of(http) {
            Ok(service) => service,
            Err(error) => return self.close_call(Protocol::RestJson, &request_id, "anonymous", "?:?", Err(error)),
        };
        let protocol = service.protocol();
        let operation = match service.operation(http) {
            Ok(operation) => operation,
            Err(error) => {
                let name = format!("{}:?", service.prefix());
                return self.close_call(protocol, &request_id, "anonymous", &name, Err(error));
            }
        };
        let name = format!("{}:{operation}", service.prefix());
        let (caller, region) = match services::iam::authenticate(self, http) {
            Ok(identity) => identity,
            Err(error) => return self.close_call(protocol, &request_id, "anonymous", &name, Err(error)),
        };
        let request = Request { caller, region, operation, http: http.clone() };
        self.perform(service, &name, &request_id, &request, course)
    }

    /// Does what an authenticated request asks for, unless a fault strikes it.
    fn perform(
        &mut self,
        service: Service,
        name: &str,
        request_id: &str,
        request: &Request,
        course: Course,
    ) -> Reaction {
        let (principal, protocol) = (request.caller.arn.as_str(), service.protocol());
        let mut fault = None;
        if course == Course::Exposed {
            self.suffer_interference(principal, name);
            if !self.limits.admit(&request.caller.account, name, self.agenda.now()) {
                self.agenda.pass(limit::WAIT_AFTER_REFUSAL);
                return self.close_call(protocol, request_id, principal, name, Err(service.throttled()));
            }
            fault = self.faults.strike(principal, name).or_else(|| self.suffer_sabotage(service, name, request));
        }
        match &fault {
            Some(FaultEffect::FailBefore(error)) => {
                return self.close_call(protocol, request_id, principal, name, Err(error.clone()));
            }
            Some(FaultEffect::LoseRequest) => return self.lose(principal, name, Outcome::NotDone),
            Some(FaultEffect::KillBefore) => return self.kill(&request.caller, name, Outcome::NotDone),
            Some(FaultEffect::Again) => return self.hold(&request.caller, None),
            Some(FaultEffect::Meanwhile(event)) => return self.hold(&request.caller, Some(event.clone())),
            None
            | Some(
                FaultEffect::FailAfter(_)
                | FaultEffect::LoseAnswer
                | FaultEffect::KillAfter
                | FaultEffect::Answer(_)
                | FaultEffect::Silence,
            ) => {}
        }
        let ready = services::organizations::check_readiness(self, service, &request.caller.account);
        let result =
            ready.and_then(|()| service.handle(self, request)).and_then(|answer| match self.checks.is_empty() {
                // The one operation that needs no permission; any other that checks none is a hole in the sandbox.
                true if name != "sts:GetCallerIdentity" => Err(ApiError::unknown("permission of", name)),
                _ => Ok(answer),
            });
        match fault {
            Some(FaultEffect::FailAfter(error)) => self.close_call(protocol, request_id, principal, name, Err(error)),
            Some(FaultEffect::KillAfter) => self.kill(&request.caller, name, Outcome::AnswerLost),
            Some(FaultEffect::LoseAnswer) => self.lose(principal, name, Outcome::AnswerLost),
            Some(FaultEffect::Answer(body)) => {
                self.note_call(principal, name, Outcome::AnswerLost);
                Reaction::Reply(self.stamped(request_id, HttpReply { status: 200, headers: Vec::new(), body }))
            }
            Some(FaultEffect::Silence) => {
                self.note_call(principal, name, Outcome::AnswerLost);
                Reaction::Silence
            }
            _ => self.close_call(protocol, request_id, principal, name, result),
        }
    }

    fn suffer_sabotage(&mut self, service: Service, name: &str, request: &Request) -> Option<FaultEffect> {
        let mut saboteur = self.saboteur.take()?;
        let subject = service.subject(self, request);
        let upcoming = Upcoming { principal: request.caller.arn.clone(), operation: name.to_owned(), subject };
        let effect = saboteur(self, &upcoming);
        self.saboteur = Some(saboteur);
        effect
    }

    /// Checks a permission of the caller and notes that it was needed.
    ///
    /// `context` holds the condition keys that the request carries, such as `aws:RequestTag/…`.
    pub(crate) fn authorize(
        &mut self,
        caller: &Caller,
        action: &str,
        resource: &str,
        context: &BTreeMap<String, String>,
    ) -> Result<(), ApiError> {
        let decision = services::iam::decide(self, caller, action, resource, context)?;
        if self.needed.is_some()
            && let Some((principal, grant)) = services::iam::sole_grant(self, caller, action, resource, context)?
        {
            self.needed.get_or_insert_default().entry(principal).or_default().insert(grant);
        }
        self.checks.push(Check { action: action.into(), resource: resource.into(), allowed: decision.is_ok() });
        if decision.is_err() && services::iam::is_unsettled(self, caller) {
            // Whoever is refused for what is still to come is taken to wait before the next attempt.
            self.agenda.pass(limit::WAIT_AFTER_REFUSAL);
        }
        decision
    }

    /// Writes a call into the log that no HTTP request stands for: what a service does on behalf of `principal`.
    pub(crate) fn note_call(&mut self, principal: &str, operation: &str, outcome: Outcome) {
        let checks = std::mem::take(&mut self.checks);
        let call =
            Call { at: self.now(), principal: principal.to_owned(), operation: operation.to_owned(), checks, outcome };
        if let Some(mut observer) = self.observer.take() {
            self.findings.extend(observer(self, &call));
            self.observer = Some(observer);
        }
        self.calls.push(call);
    }

    fn close_call(
        &mut self,
        protocol: Protocol,
        request_id: &str,
        principal: &str,
        name: &str,
        result: Result<Answer, ApiError>,
    ) -> Reaction {
        let outcome = result.as_ref().map_or_else(|error| Outcome::Refused(error.code.clone()), |_| Outcome::Done);
        self.note_call(principal, name, outcome);
        let operation = name.split_once(':').map_or(name, |(_, operation)| operation);
        let reply = match result {
            Ok(Answer::Later(id)) => return Reaction::Later(id),
            Ok(answer) => protocol.reply(operation, request_id, answer),
            Err(error) => Some(protocol.refusal(request_id, &error)),
        };
        reply.map_or(Reaction::Close, |reply| Reaction::Reply(self.stamped(request_id, reply)))
    }

    /// Adds what every answer of AWS carries: the time by its clock, and the id of the request.
    pub(crate) fn stamped(&self, request_id: &str, mut reply: HttpReply) -> HttpReply {
        let date = self.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        reply.headers.push(("date", date));
        reply.headers.push(("x-amzn-requestid", request_id.to_owned()));
        reply
    }

    fn lose(&mut self, principal: &str, name: &str, outcome: Outcome) -> Reaction {
        self.note_call(principal, name, outcome);
        Reaction::Close
    }

    fn kill(&mut self, caller: &Caller, name: &str, outcome: Outcome) -> Reaction {
        self.note_call(&caller.arn, name, outcome);
        caller.instance.map_or(Reaction::Close, Reaction::Kill)
    }

    /// Has the calling function deal with another event, or with the same one once more, before the call is done.
    fn hold(&mut self, caller: &Caller, event: Option<Vec<u8>>) -> Reaction {
        let begun = caller.instance.and_then(|instance| services::lambda::begin_beside(self, instance, event));
        begun.map_or(Reaction::Close, Reaction::Hold)
    }

    /// Orders something that happens outside the world.
    pub(crate) fn push_effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// A random id in the form of a UUID.
    pub(crate) fn random_uuid(&mut self) -> String {
        let digits = format!("{:032x}", self.random.u128(..));
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits.get(range).unwrap_or_default());
        parts.join("-")
    }

    /// Random characters that nobody may ever see.
    pub(crate) fn random_secret(&mut self, length: usize) -> String {
        const BASE_64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let secret = self.random_text(BASE_64, length);
        self.hide(&secret);
        secret
    }

    /// Notes a text that nobody may ever see.
    pub(crate) fn hide(&mut self, secret: &str) {
        self.secret_texts.push(secret.to_owned());
    }

    /// Random characters out of `alphabet`.
    pub(crate) fn random_text(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..length).filter_map(|_| self.random.choice(&letters).copied()).collect()
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The world holds every secret there is.
        f.debug_struct("World").field("now", &self.now()).finish_non_exhaustive()
    }
}
