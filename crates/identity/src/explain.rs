//! The words of an explanation: what a route's authenticators found, stage by stage.

use std::fmt::Write as _;

use crate::caller::{Caller, Kind, Timestamp};
use crate::credential::{Audience, Credential, Expected};
use crate::failure::{Failure, Stage, excerpt};
use crate::provider::Provider;
use crate::route::RouteAuthenticator;
use crate::steps::{Mark, Notes, Step};

impl RouteAuthenticator {
    /// Puts a decision of [`look`](Self::look) and [`caller`](Self::caller) into words, from what was noted meanwhile.
    ///
    /// The last step is the one that was not passed, if any. It tells what is known there; why it was not passed is the failure's own text.
    pub fn explain(
        &self,
        notes: Notes,
        outcome: Result<&Caller, &Failure>,
        now: Timestamp,
    ) -> Vec<Step> {
        let Notes { passed, mut known } = notes;
        let mut steps: Vec<Step> = Vec::new();
        for (stage, text) in passed {
            steps.retain(|step| step.stage != stage.as_str()); // told by a first attempt already
            steps.push(step(stage, Mark::Passed, text));
        }
        if let Ok(caller) = outcome {
            known = self.known(&caller.credential, now);
        }
        if let Some((authenticator, id)) = outcome.ok().and_then(Caller::with_key) {
            let text = format!("the API key {id:?} of {authenticator}, and the token agree");
            known.push((Stage::Agreement, text));
        }
        let failed = outcome.err().map(Failure::stage);
        for (stage, text) in known {
            if Some(stage) == failed {
                steps.push(step(stage, Mark::Refused, text));
                return steps;
            }
            if !steps.iter().any(|step| step.stage == stage.as_str()) {
                steps.push(step(stage, Mark::Passed, text));
            }
        }
        if let Err(failure) = outcome {
            steps.retain(|step| step.stage != failure.stage().as_str());
            steps.push(step(failure.stage(), Mark::Refused, failure.to_string()));
        }
        steps
    }

    /// Everything that a verified credential is judged by here, in the order in which that is done.
    pub(crate) fn known(&self, credential: &Credential, now: Timestamp) -> Vec<(Stage, String)> {
        let mut all = vec![
            (
                Stage::Subject,
                subject(
                    credential.kind,
                    &credential.subject,
                    &credential.issuer,
                    credential.client_id.as_deref(),
                ),
            ),
            (Stage::Scopes, scopes(credential)),
            (Stage::Times, times(credential, now)),
        ];
        if let Some(expected) = self.expected(credential) {
            all.push((Stage::Audience, audience(credential, expected)));
        }
        all.push((Stage::DenyList, "it does not name this caller".into()));
        if let Some(by) = self.deny.denies(credential)
            && let Some((_, text)) = all.last_mut()
        {
            *text = format!("it names this caller's {by}");
        }
        all
    }

    /// Who is believed here, in the order of the configuration, each with its kind.
    pub fn accepted(&self) -> String {
        let all: Vec<_> = self.accepted.iter().map(|(one, _)| shown(one)).collect();
        all.join(", ")
    }

    /// Why this authenticator judges a token, and why none of the others does.
    pub(crate) fn chosen(&self, iss: &str, chosen: &Provider) -> String {
        let mut text = format!("{} selects {}", excerpt(iss), shown(chosen));
        for (other, _) in &self.accepted {
            if other.id != chosen.id {
                let issuers: Vec<_> = other.issuers().collect();
                let _infallible = write!(text, "; not {}, which takes {issuers:?}", shown(other));
            }
        }
        text
    }
}

fn step(stage: Stage, mark: Mark, text: String) -> Step {
    Step {
        stage: stage.as_str(),
        mark,
        text,
    }
}

fn shown(provider: &Provider) -> String {
    format!("{} ({})", provider.name, provider.method)
}

/// Who a credential names.
pub(crate) fn subject(kind: Kind, subject: &str, issuer: &str, client: Option<&str>) -> String {
    let (subject, issuer) = (excerpt(subject), excerpt(issuer));
    let mut text = format!("{} {subject} of {issuer}", kind.as_str());
    if let Some(client) = client {
        let _infallible = write!(text, ", by client {}", excerpt(client));
    }
    text
}

fn scopes(credential: &Credential) -> String {
    if credential.scopes.is_empty() {
        return "none".into();
    }
    excerpt(&credential.scopes.to_string()).into()
}

fn times(credential: &Credential, now: Timestamp) -> String {
    let mut text = String::new();
    if let Some(issued) = credential.issued_at {
        let _infallible = write!(text, "iat {} ({}), ", issued.0, distance(issued, now));
    }
    if let Some(start) = credential.not_before {
        let _infallible = write!(text, "nbf {} ({}), ", start.0, distance(start, now));
    }
    let expires = credential.expires;
    if expires == Timestamp::NEVER {
        text.push_str("it does not expire");
    } else {
        let _infallible = write!(text, "exp {} ({})", expires.0, distance(expires, now));
    }
    let leeway = credential.provider.rules.leeway.as_secs();
    let _infallible = write!(text, "; now {}, leeway {leeway} s", now.0);
    if let Some(grace) = credential.provider.dangers.expiry_grace {
        let grace = grace.as_secs();
        let _infallible = write!(text, ", and {grace} s more (expired_tokens)");
    }
    text
}

fn distance(moment: Timestamp, now: Timestamp) -> String {
    if moment.0 > now.0 {
        format!("in {} s", moment.0 - now.0)
    } else {
        format!("{} s ago", now.0 - moment.0)
    }
}

fn audience(credential: &Credential, expected: &Expected) -> String {
    match &credential.audience {
        Audience::Ours => "an API key is for this gateway".into(),
        Audience::Aud(_) | Audience::Client { .. } => {
            let found: Vec<_> = credential.audience.texts().collect();
            let found = excerpt(&found.join(", "));
            format!("it is for {found}; expected is {}", expected.to_text())
        }
    }
}
