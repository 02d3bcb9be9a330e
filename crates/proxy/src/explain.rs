//! Why a credential is taken or refused at a route, stage by stage (`portcullis explain`).
//!
//! The verdict is that of the stages themselves, run here without a request around them; this file only puts it into words.

mod asked;
mod hints;

use std::sync::Arc;

use config::{Config, Scheme, Secret};
use http::{HeaderMap, HeaderValue, Method};
use identity::{Authenticators, Clock, Evidence, Mark, Step, observe};

use asked::{asked_for, headers, key_header, presented};

use mcp::operation::{Called, Operation};

use crate::ServeError;
use crate::observe::metrics::Metrics;
use crate::plan::{Plan, Site};
use crate::server::slots::Slots;
use crate::shared::Shared;
use crate::stage::authorize::{self, Granted};
use crate::stage::identify::{self, Identified};
use crate::stage::inspect::Call;
use crate::stage::{inject, route};
use crate::stop::{self, Refusal};

/// What an API key meets where nobody looks at its header.
const UNASKED: &str = "this route takes no API keys: name an authenticator of kind api_keys under its `accept`, with `type: jwt` or `both`";

/// What is to be explained.
pub struct Question {
    /// A path, or the name of a route.
    pub route: String,
    /// Host and port as a client would ask for them; `None` is the first name of the configuration.
    pub host: Option<String>,
    /// What would stand behind `Authorization: Bearer`.
    pub token: Option<Secret>,
    pub api_key: Option<Secret>,
    /// An MCP method and the tool it would call.
    pub call: (Option<String>, Option<String>),
}

/// The explanation.
pub struct Report {
    /// In the order in which it was decided.
    pub steps: Vec<Step>,
    pub verdict: Verdict,
}

/// How it ends.
pub enum Verdict {
    Allowed {
        /// Where the request would go.
        upstream: String,
        /// What that would be told about the caller: name and value.
        headers: Vec<(String, String)>,
    },
    Refused {
        status: u16,
        /// The slug of log, audit and metrics.
        reason: &'static str,
        /// What happened, in the words of the log and the audit trail.
        detail: String,
        /// What the caller is told.
        description: String,
        /// What to do about it.
        hints: Vec<String>,
    },
}

/// A refusal, and what to do about it.
struct Refused {
    refusal: Refusal,
    hints: Vec<String>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            hints: hints::of(&refusal).map(str::to_owned).into_iter().collect(),
            refusal,
        }
    }
}

/// Asks the providers that the route believes, and nobody else; listens nowhere and writes nothing.
///
/// # Errors
/// When the gateway would not start with this configuration, whoever can be reached.
pub async fn explain(
    config: &Config,
    clock: Clock,
    question: &Question,
) -> Result<Report, ServeError> {
    let authenticators = Authenticators::idle(config, Arc::clone(&clock))?;
    let shared = Shared::new(
        Arc::clone(&clock),
        Metrics::new(clock()),
        None,
        None,
        Slots::new(config.server.limits.connections),
        config.server.listen.clone(),
        None,
    );
    let plan = Plan::build(config, Arc::clone(&authenticators), Arc::new(shared))?;
    let mut steps = Vec::new();
    let decided = decide(config, &plan, question, &mut steps).await;
    let verdict = match decided {
        Ok((site, granted)) => {
            let mut headers = HeaderMap::new();
            inject::introduce(&site, &granted, &mut headers);
            let shown = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into();
            Verdict::Allowed {
                upstream: site.upstream.shown(),
                headers: headers
                    .iter()
                    .map(|(name, value)| (name.to_string(), shown(value)))
                    .collect(),
            }
        }
        Err(Refused { refusal, mut hints }) => {
            if matches!(refusal, Refusal::MissingCredentials) && question.api_key.is_some() {
                hints = vec![UNASKED.into()];
            }
            let public = refusal.public();
            Verdict::Refused {
                status: public.status.as_u16(),
                reason: public.reason,
                detail: refusal.to_string(),
                description: refusal.told().into_owned(),
                hints,
            }
        }
    };
    Ok(Report { steps, verdict })
}

/// The stages of `pipeline::walk` that a credential can meet.
async fn decide(
    config: &Config,
    plan: &Plan,
    question: &Question,
    steps: &mut Vec<Step>,
) -> Result<(Arc<Site>, Granted), Refused> {
    let (site, authority) = found(plan, question, steps)?;
    if plan.authenticators.deny().file().is_some() {
        plan.authenticators.deny().look();
    }
    let accepted = accepted(config, plan, &site);
    let (_fetching, missed) = plan.authenticators.fetch(accepted).await;
    for error in &missed {
        steps.push(step("provider", Mark::Told, error.to_string()));
    }
    let identified = identified(config, plan, (&site, accepted), &authority, question, steps).await;
    let identified = identified.map_err(|refusal| {
        let mut refused = Refused::from(refusal);
        if let Refusal::Unproven(failure) = &refused.refusal
            && failure.retry_after().is_some()
        {
            refused.hints.extend(hints::of_missed(&missed));
        }
        if let Some(hint) = hints::not_accepted(config, &refused.refusal) {
            refused.hints = vec![hint];
        }
        refused
    })?;
    let granted = granted(config, &site, identified, question, steps)?;
    inject::bearable(&granted)?;
    Ok((site, granted))
}

/// Whether the caller may do what is asked for: the scopes of the route, and what is said of the method and the tool.
fn granted(
    config: &Config,
    site: &Arc<Site>,
    identified: Identified,
    question: &Question,
    steps: &mut Vec<Step>,
) -> Result<Granted, Refusal> {
    let policy = &site.policy;
    let call = asked_for(question);
    let caller = match &identified {
        Identified::Proven(caller) => Some(caller),
        Identified::Anonymous => None,
    };
    let has_required = caller.is_some_and(|caller| policy.required.is_subset(caller.scopes()));
    let told = match &call {
        Call::Unread => None,
        Call::Read(read) => read.messages.first().map(|message| {
            let route = config.routes.iter().find(|route| route.name == site.name);
            let rules = route.map(|route| &*route.access.tools);
            (
                message,
                policy
                    .access
                    .told(policy, message, rules.unwrap_or_default()),
            )
        }),
    };
    let is_open = told.as_ref().is_some_and(|(_, (is_open, _))| *is_open);
    if site.is_protected() && !is_open {
        let mark = if has_required {
            Mark::Passed
        } else {
            Mark::Refused
        };
        let text = match caller {
            Some(_) if policy.required.is_empty() => "the route needs no scope".into(),
            Some(_) => format!("the route needs [{}]", policy.required),
            None => format!("a credential is needed{}", stop::with(&policy.required)),
        };
        steps.push(step("route's scopes", mark, text));
    }
    let admitted = authorize::admit(site, &Method::POST, identified);
    let granted = admitted.and_then(|it| authorize::grant(site, it, &call));
    if let Some((message, (_, text))) = told {
        let mark = if granted.is_ok() {
            Mark::Passed
        } else {
            Mark::Refused
        };
        let stage = match message.operation() {
            Operation::Call(Called::Tool(_)) => "tool",
            Operation::Call(Called::Prompt(_) | Called::Resource(_))
            | Operation::Handshake
            | Operation::List(_)
            | Operation::Response
            | Operation::Other => "method",
        };
        steps.push(step(stage, mark, text));
        if let Some(refusal) = granted.as_ref().ok().and_then(Granted::rehearsed) {
            let text = format!("rules would refuse it: {refusal}");
            steps.push(step("dry_run", Mark::Told, text));
        }
    }
    granted
}

/// Which route is meant, under which name.
fn found(
    plan: &Plan,
    question: &Question,
    steps: &mut Vec<Step>,
) -> Result<(Arc<Site>, String), Refused> {
    let mut refused = |refusal: Refusal, hint: Option<String>| {
        steps.push(step("route", Mark::Refused, refusal.to_string()));
        let mut refused = Refused::from(refusal);
        refused.hints.extend(hint);
        refused
    };
    let named = plan.sites.iter().find(|site| *site.name == *question.route);
    let path = named.map_or(&*question.route, |site| &site.path);
    let own = named
        .and_then(|site| site.host.as_ref())
        .and_then(config::HostPattern::exact);
    let first = || plan.trust.names.iter().find_map(|name| name.authority());
    let authority = question.host.as_deref().or(own).or_else(first);
    let authority = authority.unwrap_or("localhost");
    if plan.trust.names.find(authority).is_none() {
        let served = plan.trust.names.iter().filter_map(|name| name.authority());
        let hint = format!("served are {:?}", served.collect::<Vec<_>>());
        let authority = authority.to_owned();
        return Err(refused(Refusal::Misdirected { authority }, Some(hint)));
    }
    let site = match route::at(plan, path, authority) {
        Ok(route::Target::Site(site)) => site,
        Ok(route::Target::Own(_)) => {
            let hint = "the gateway answers this path itself".to_owned();
            return Err(refused(Refusal::NoRoute, Some(hint)));
        }
        Err(refusal) => {
            let routes: Vec<_> = plan.sites.iter().map(|site| &site.name).collect();
            let hint = format!("the routes are {routes:?}; a route with a `host` needs --host");
            return Err(refused(refusal, Some(hint)));
        }
    };
    let believed = match &site.authentication {
        Some(authentication) => format!("it believes {}", authentication.accepted()),
        None => "it asks nobody, and looks at no credential".into(),
    };
    let name = &site.name;
    let text = format!("{path:?} at {authority:?} is route {name:?}; {believed}");
    steps.push(step("route", Mark::Passed, text));
    Ok((site, authority.to_owned()))
}

/// Who calls, as a request with these credentials would find out.
async fn identified(
    config: &Config,
    plan: &Plan,
    (site, accepted): (&Site, &[usize]),
    authority: &str,
    question: &Question,
    steps: &mut Vec<Step>,
) -> Result<Identified, Refusal> {
    let Some(authentication) = &site.authentication else {
        return Ok(Identified::Anonymous);
    };
    let headers = headers(question, key_header(config, accepted))?;
    let public = config.server.public_url.as_ref();
    let evidence = Evidence {
        headers: &headers,
        method: &Method::POST,
        secure: public.is_some_and(|origin| origin.scheme() == Scheme::Https)
            || config.server.tls.is_some(),
        authority,
        path: &site.path,
        certificate: None,
        peer_verified: false,
        peer: std::net::Ipv4Addr::UNSPECIFIED.into(), // no peer of ours, whose word might count
        client: std::net::Ipv4Addr::LOCALHOST.into(),
    };
    let now = plan.now();
    let (outcome, notes) = observe(async {
        let presented = authentication.look(&evidence, now)?;
        identify::caller(site, presented, now).await
    })
    .await;
    let form = |mark| step("credential", mark, presented(question));
    match &outcome {
        Ok(Identified::Anonymous) => steps.push(form(Mark::Told)),
        Ok(Identified::Proven(caller)) => {
            steps.push(form(Mark::Passed));
            steps.extend(authentication.explain(notes, Ok(caller), now));
        }
        Err(Refusal::Unproven(failure)) => {
            let explained = authentication.explain(notes, Err(failure), now);
            if explained.iter().all(|step| step.stage != "credential") {
                steps.push(form(Mark::Passed));
            }
            steps.extend(explained);
        }
        Err(other) => steps.push(step("credential", Mark::Refused, other.to_string())),
    }
    outcome
}

/// The authenticators of a route, by index.
fn accepted<'c>(config: &'c Config, plan: &Plan, site: &Arc<Site>) -> &'c [usize] {
    let mut pairs = config.routes.iter().zip(&plan.sites);
    let route = pairs.find(|(_, other)| other.name == site.name);
    match route.map(|(route, _)| &route.auth) {
        Some(config::Auth::Required(requirement)) => &requirement.accept,
        Some(config::Auth::Anonymous) | None => &[],
    }
}

fn step(stage: &'static str, mark: Mark, text: String) -> Step {
    Step { stage, mark, text }
}
