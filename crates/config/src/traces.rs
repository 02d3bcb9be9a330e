//! Where spans go, and which are made: the standard variables of OpenTelemetry.
//!
//! They are often set for a whole fleet by somebody who does not know this program. So nothing in them keeps the gateway from starting:
//! what cannot be used is warned of, and traces are off or the default counts. No value is ever repeated.

use std::time::Duration;

use crate::origin::Origin;
use crate::problem::{Flaw, Problem};
use crate::secret::Secret;
use crate::sources::Sources;

/// How spans are exported.
#[derive(Debug, Clone)]
pub struct Traces {
    pub collector: Collector,
    /// Sent with every export, names in lower case. The values are often keys.
    pub headers: Vec<(Box<str>, Secret)>,
    /// For one attempt to export.
    pub timeout: Duration,
    pub sampler: Sampler,
    /// Who we are, attribute by attribute: `service.name` is always there.
    pub resource: Vec<(Box<str>, Box<str>)>,
    pub batches: Batches,
}

/// The URL that takes spans.
#[derive(Debug, Clone)]
pub struct Collector {
    pub origin: Origin,
    /// Begins with `/`; a query may follow.
    pub path: Box<str>,
}

/// Which traces are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampler {
    /// Whether a caller's decision counts before our own.
    pub parent_based: bool,
    /// How many of 2^63 traces are recorded.
    pub share: u64,
}

impl Sampler {
    /// Every trace.
    pub const ALL: u64 = 1 << 63;
}

/// How spans wait and travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batches {
    /// How long a span waits for others.
    pub delay: Duration,
    /// Spans that may wait; further ones are dropped.
    pub queue: usize,
    /// Spans in one export.
    pub size: usize,
}

const DISABLED: &str = "OTEL_SDK_DISABLED";
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
/// Where the specification puts spans below a collector's base URL.
const TRACES_PATH: &str = "v1/traces";
/// What may stand in a path and a query besides letters and digits (RFC 3986).
const URL: &[u8] = b"-._~!$&'()*+,;=:@/?%";
/// Headers in one export.
const MOST_HEADERS: usize = 32;
/// Attributes of the resource.
const MOST_ATTRIBUTES: usize = 64;

/// Reads the variables. Without an endpoint there are no traces and nothing to warn of.
pub fn traces(sources: &dyn Sources) -> (Option<Traces>, Vec<Problem>) {
    let mut reader = Reader {
        sources,
        warnings: Vec::new(),
    };
    let traces = reader.traces();
    (traces, reader.warnings)
}

struct Reader<'s> {
    sources: &'s dyn Sources,
    warnings: Vec<Problem>,
}

impl Reader<'_> {
    fn traces(&mut self) -> Option<Traces> {
        if self.is_disabled() {
            return None;
        }
        let collector = self.collector()?;
        if !self.exporter_is_ours() || !self.protocol_is_ours() {
            return None;
        }
        self.unsupported();
        Some(Traces {
            collector,
            headers: self.headers(),
            timeout: self.milliseconds(self.otlp("TIMEOUT"), 10_000),
            sampler: self.sampler(),
            resource: self.resource(),
            batches: self.batches(),
        })
    }

    /// A variable that says something: an empty one counts as not set.
    fn var(&self, name: &str) -> Option<String> {
        let value = self.sources.var(name)?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A setting of the exporter, the one for traces before the one for everything, with the name that said it.
    fn otlp(&self, setting: &str) -> Option<(String, String)> {
        [
            format!("OTEL_EXPORTER_OTLP_TRACES_{setting}"),
            format!("OTEL_EXPORTER_OTLP_{setting}"),
        ]
        .into_iter()
        .find_map(|name| self.var(&name).map(|value| (name, value)))
    }

    fn warn(&mut self, name: &str, flaw: Flaw) {
        self.warnings.push(flaw.at(name));
    }

    fn is_disabled(&self) -> bool {
        self.var(DISABLED)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The URL for spans: of its own as it stands, or below the base for everything.
    fn collector(&mut self) -> Option<Collector> {
        let (name, url) = self.otlp("ENDPOINT")?;
        let read = Origin::split(&url).and_then(|(origin, rest)| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || URL.contains(&byte);
            if !rest.bytes().all(plain) {
                return Err("has characters in it that belong in no URL".to_owned());
            }
            let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
            let mut whole = if path.is_empty() { "/" } else { path }.to_owned();
            if !name.contains("TRACES") {
                if !whole.ends_with('/') {
                    whole.push('/');
                }
                whole.push_str(TRACES_PATH);
            }
            if !query.is_empty() {
                whole.push('?');
                whole.push_str(query);
            }
            Ok(Collector {
                origin,
                path: whole.into(),
            })
        });
        read.map_err(|reason| {
            self.warn(&name, Flaw::new(reason).hint("there are no traces"));
        })
        .ok()
    }

    fn exporter_is_ours(&mut self) -> bool {
        match self.var(EXPORTER).as_deref() {
            None | Some("otlp") => true,
            Some("none") => false,
            Some(_) => {
                let flaw = Flaw::new("names an exporter that is not there")
                    .hint("`otlp` and `none` are; there are no traces");
                self.warn(EXPORTER, flaw);
                false
            }
        }
    }

    fn protocol_is_ours(&mut self) -> bool {
        let Some((name, value)) = self.otlp("PROTOCOL") else {
            return true;
        };
        let ours = value == "http/protobuf";
        if !ours {
            let flaw = Flaw::new("is another protocol than `http/protobuf`")
                .hint("collectors take that one at port 4318; there are no traces");
            self.warn(&name, flaw);
        }
        ours
    }

    /// What changes how a collector is reached and is not done here must not be passed over.
    fn unsupported(&mut self) {
        for setting in ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"] {
            if let Some((name, _)) = self.otlp(setting) {
                let flaw = Flaw::new("is not supported").hint("the system's roots are believed");
                self.warn(&name, flaw);
            }
        }
        if let Some((name, value)) = self.otlp("COMPRESSION")
            && value != "none"
        {
            let flaw = Flaw::new("is not supported").hint("spans are sent as they are");
            self.warn(&name, flaw);
        }
    }

    fn headers(&mut self) -> Vec<(Box<str>, Secret)> {
        let Some((name, value)) = self.otlp("HEADERS") else {
            return Vec::new();
        };
        let mut headers = Vec::new();
        for pair in value.split(',').filter(|pair| !pair.trim().is_empty()) {
            match header(pair) {
                Some(header) if headers.len() < MOST_HEADERS => headers.push(header),
                _ => {
                    let flaw = Flaw::new("has an entry that is no header, or too many")
                        .hint("written `name=value,name=value`, values percent-encoded");
                    self.warn(&name, flaw);
                    break;
                }
            }
        }
        headers
    }

    fn sampler(&mut self) -> Sampler {
        let name = self.var(SAMPLER).unwrap_or_default();
        let (parent_based, share) = match name.as_str() {
            "always_on" => (false, Sampler::ALL),
            "always_off" => (false, 0),
            "traceidratio" => (false, self.share()),
            "parentbased_always_off" => (true, 0),
            "parentbased_traceidratio" => (true, self.share()),
            "" | "parentbased_always_on" => (true, Sampler::ALL),
            _ => {
                let flaw = Flaw::new("names a sampler that is not there")
                    .hint("always_on, always_off and traceidratio are, each also with `parentbased_`; the default counts");
                self.warn(SAMPLER, flaw);
                (true, Sampler::ALL)
            }
        };
        Sampler {
            parent_based,
            share,
        }
    }

    fn share(&mut self) -> u64 {
        let Some(value) = self.var(SAMPLER_ARG) else {
            return Sampler::ALL;
        };
        match value.parse::<f64>() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                reason = "from 0 to 2^63, which both types hold"
            )]
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => (ratio * Sampler::ALL as f64) as u64,
            _ => {
                let flaw = Flaw::new("is no number from 0 to 1").hint("all traces are recorded");
                self.warn(SAMPLER_ARG, flaw);
                Sampler::ALL
            }
        }
    }

    /// Attributes by the specification: one that cannot be read makes all of them count as not there.
    fn resource(&mut self) -> Vec<(Box<str>, Box<str>)> {
        let said = self.var(RESOURCE).unwrap_or_default();
        let pairs = said.split(',').filter(|pair| !pair.trim().is_empty());
        let read: Option<Vec<_>> = pairs.map(attribute).collect();
        let mut attributes = match read {
            Some(attributes) if attributes.len() <= MOST_ATTRIBUTES => attributes,
            _ => {
                let flaw = Flaw::new("is not a list of `name=value`, or is too long")
                    .hint("none of it counts; values are percent-encoded");
                self.warn(RESOURCE, flaw);
                Vec::new()
            }
        };
        let mut set = |name: &str, value: &str, over: bool| {
            let there = attributes.iter().any(|(known, _)| **known == *name);
            if over || !there {
                attributes.retain(|(known, _)| **known != *name);
                attributes.push((name.into(), value.into()));
            }
        };
        match self.var(SERVICE) {
            Some(service) => set("service.name", &service, true),
            None => set("service.name", "portcullis", false),
        }
        set("service.version", env!("CARGO_PKG_VERSION"), false);
        set("telemetry.sdk.name", "portcullis", true);
        set("telemetry.sdk.language", "rust", true);
        set("telemetry.sdk.version", env!("CARGO_PKG_VERSION"), true);
        attributes
    }

    fn batches(&mut self) -> Batches {
        let named = |name: &str| self.var(name).map(|value| (name.to_owned(), value));
        let (delay, queue, size) = (
            named("OTEL_BSP_SCHEDULE_DELAY"),
            named("OTEL_BSP_MAX_QUEUE_SIZE"),
            named("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
        );
        let queue = self.number(queue, 2048, 65_536);
        Batches {
            delay: self.milliseconds(delay, 5_000),
            queue,
            size: self.number(size, 512, 8_192).min(queue),
        }
    }

    fn milliseconds(&mut self, said: Option<(String, String)>, default: usize) -> Duration {
        let number = self.number(said, default, 60_000);
        Duration::from_millis(u64::try_from(number).unwrap_or(u64::MAX))
    }

    fn number(&mut self, said: Option<(String, String)>, default: usize, most: usize) -> usize {
        let Some((name, value)) = said else {
            return default;
        };
        match value.parse::<usize>() {
            Ok(number) if (1..=most).contains(&number) => number,
            _ => {
                let flaw = Flaw::new(format!("is no number from 1 to {most}"))
                    .hint(format!("{default} counts"));
                self.warn(&name, flaw);
                default
            }
        }
    }
}

/// Headers that say how the export itself is read.
const RESERVED: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn header(pair: &str) -> Option<(Box<str>, Secret)> {
    let (name, value) = pair.split_once('=')?;
    let name = name.trim().to_ascii_lowercase();
    let value = decoded(value.trim())?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let good = !name.is_empty()
        && name.bytes().all(token)
        && value.bytes().all(visible)
        && !RESERVED.contains(&&*name);
    good.then(|| (name.into(), Secret::new(value)))
}

fn attribute(pair: &str) -> Option<(Box<str>, Box<str>)> {
    let (name, value) = pair.split_once('=')?;
    let (name, value) = (decoded(name.trim())?, decoded(value.trim())?);
    let good = (1..=255).contains(&name.len()) && value.len() <= 1024;
    good.then(|| (name.into(), value.into()))
}

/// Percent-encoding undone; `None` where it is broken or no text comes out.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%' {
            let (digits, tail) = tail.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = tail;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
