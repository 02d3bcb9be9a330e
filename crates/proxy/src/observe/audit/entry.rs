//! What a record holds until it is written: references and numbers. The text is made by the writer, not on a request's time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method};
use identity::Caller;
use oauth::Scopes;

use super::line::Line;
use crate::observe::heard::{Heard, Wish};
use crate::observe::metrics::Outcome;
use crate::plan::Site;

/// One record, and when it was made (since 1970-01-01 UTC).
pub(crate) struct Entry {
    pub(super) time: Duration,
    pub(super) event: Event,
}

pub(crate) enum Event {
    Request(Box<Decision>),
    /// A new configuration was taken up, or refused for this reason.
    Reload {
        refused: Option<Box<str>>,
    },
}

/// What was decided about a request.
pub(crate) struct Decision {
    pub(crate) reference: HeaderValue,
    pub(crate) route: RouteName,
    pub(crate) client: IpAddr,
    pub(crate) caller: Option<Caller>,
    pub(crate) method: Method,
    /// What it asked for in MCP, where that was read.
    pub(crate) heard: Option<Arc<Heard>>,
    pub(crate) outcome: Outcome,
    pub(crate) reason: &'static str,
    /// Why it was refused, in the words of the log.
    pub(crate) detail: Option<Box<str>>,
    /// The scopes that are needed for what was asked for; `None` where it ended before that was known.
    pub(crate) needed: Option<Arc<Scopes>>,
    /// Why the rules for tools would have refused it, if they counted (SEC-52).
    pub(crate) rehearsed: Option<&'static str>,
    /// `None` where no answer was begun.
    pub(crate) status: Option<u16>,
    /// To the head of the answer.
    pub(crate) duration: Duration,
}

pub(crate) enum RouteName {
    Site(Arc<Site>),
    /// Own URLs, and paths that are nobody's.
    Other(&'static str),
}

impl Event {
    /// What is counted when the record cannot be kept.
    pub(super) fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Self::Request(decision) => (decision.outcome.as_str(), decision.reason),
            Self::Reload { refused: None } => ("allowed", "reload"),
            Self::Reload { refused: Some(_) } => ("refused", "reload"),
        }
    }
}

impl Entry {
    pub(super) fn write(&self, out: &mut String) {
        match &self.event {
            Event::Request(decision) => decision.write(self.time, out),
            Event::Reload { refused } => {
                let mut line = Line::begin(out, self.time, "reload");
                line.text("decision", Some(self.event.kind().0));
                line.text("reason", refused.as_deref());
                line.end();
            }
        }
    }
}

impl Decision {
    /// The fields in the order of contract section 7; `kind` is added after the subject, because issuer, kind and subject together are
    /// who somebody is (SEC-1).
    fn write(&self, time: Duration, out: &mut String) {
        let (route, site) = match &self.route {
            RouteName::Site(site) => (&*site.name, Some(site)),
            RouteName::Other(name) => (*name, None),
        };
        let caller = self.caller.as_ref();
        let of_route = || site.map(|site| &*site.policy.required);
        let needed = self.needed.as_deref().or_else(of_route);
        let needed = needed.filter(|scopes| !scopes.is_empty());
        let needed = needed.map(ToString::to_string);
        let scopes = caller.map(|caller| caller.scopes().to_string());
        let address = self.client.to_string();
        let mut line = Line::begin(out, time, "request");
        line.text("reference", self.reference.to_str().ok());
        line.text("route", Some(route));
        line.text("client_address", Some(&address));
        line.text("authenticator", caller.map(Caller::authenticator));
        line.text("subject", caller.map(Caller::subject));
        line.text("kind", caller.map(|caller| caller.kind().as_str()));
        line.text("issuer", caller.map(Caller::issuer));
        line.text("client_id", caller.and_then(Caller::client_id));
        let with = caller.and_then(Caller::with_key);
        line.text("key_authenticator", with.map(|(name, _)| name));
        line.text("key", with.map(|(_, id)| id));
        let heard = self.heard.as_deref();
        let single = heard.and_then(Heard::single);
        let method = single.and_then(Wish::method);
        line.text("method", method.or(Some(self.method.as_str())));
        line.text("tool", single.and_then(Wish::tool));
        if let Some(heard) = heard.filter(|heard| heard.single().is_none()) {
            let wishes = heard.messages.iter();
            line.wishes(
                "batch",
                wishes.map(|wish| [("method", wish.method()), ("tool", wish.tool())]),
            );
        }
        line.text("decision", Some(self.outcome.as_str()));
        line.text(
            "reason",
            Some(self.reason).filter(|reason| !reason.is_empty()),
        );
        line.text("dry_run", self.rehearsed);
        line.text("detail", self.detail.as_deref());
        line.text("needed", needed.as_deref());
        line.text("scopes", scopes.as_deref());
        if let Some(status) = self.status {
            line.number("status", status);
        }
        let milliseconds = u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX);
        line.number("duration_ms", milliseconds);
        line.end();
    }
}
