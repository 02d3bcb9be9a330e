//! Which address, scheme and host a request really has.
//!
//! Forwarding headers are believed only from a configured proxy, right to left, up to the first stranger. Nothing else in this crate
//! reads `X-Forwarded-*` or `Forwarded`: a test searches for them.

mod certificate;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri, Version, request::Parts};
use hyper::body::{Body as _, Incoming};
use ipnet::IpNet;

use crate::body::is_chunked_alone;
use crate::plan::names::{Name, Names};
use crate::server::Peer;
use crate::server::tls::Session;
use crate::stop::Refusal;
use crate::unread::Unread;

pub(crate) use certificate::{Certificate, Told};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What the plan says about this stage.
pub(crate) struct Rules {
    pub(crate) proxies: Vec<IpNet>,
    /// Where these write their client's certificate.
    pub(crate) certificate: Option<Told>,
    pub(crate) names: Names,
    /// `dangerous: [plain_http]`.
    pub(crate) plain_http: bool,
}

/// A request whose origin and destination are known.
pub(crate) struct Arrival {
    pub(crate) head: Parts,
    pub(crate) body: Unread,
    /// The same, once it was read to its end (`inspect`).
    pub(crate) read: Option<Bytes>,
    /// Where it goes at the upstream, once that is known to be another place than the one of the same path.
    pub(crate) to: Option<Uri>,
    /// The caller's address as far as it can be known.
    pub(crate) client: IpAddr,
    /// `client` as a header value, where the connection has it ready.
    pub(crate) client_header: Option<HeaderValue>,
    /// Which of our names was asked for.
    pub(crate) name: usize,
    /// How it was spelled.
    pub(crate) authority: Arc<str>,
    pub(crate) secure: bool,
    /// Whether the URL that the caller asked for begins with https: behind a tunnel that says nothing of it, it does all the same.
    pub(crate) public_https: bool,
    /// Of a connection with TLS: knows the verified client certificate.
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) certificate: Certificate,
    /// Who opened the connection.
    pub(crate) peer: IpAddr,
}

impl Arrival {
    /// SHA-256 of the client's certificate in base64url, where there is one.
    pub(crate) fn thumbprint(&self) -> Option<&str> {
        match &self.certificate {
            Certificate::Forwarded(thumbprint) => thumbprint.as_deref(),
            Certificate::OfConnection => {
                let client = self.session.as_ref()?.client()?;
                Some(&client.thumbprint)
            }
        }
    }
}

/// Reads who is there and whom they ask, or refuses a request that can be read in two ways. `client` is told as soon as it is known.
pub(crate) fn arrival(
    rules: &Rules,
    peer: &Peer,
    request: Request<Incoming>,
    client: &mut IpAddr,
) -> Result<Arrival, Refusal> {
    let (head, body) = request.into_parts();
    let body = Unread::new(body, head.version);
    let believed = is_trusted(&rules.proxies, peer.address.ip());
    let forwarded = believed.then(|| Forwarded::read(rules, peer, &head.headers));
    if let Some(Ok(forwarded)) = &forwarded {
        *client = forwarded.client; // whatever else is wrong with the request, it is theirs
    }
    form(&head)?;
    if !is_chunked_alone(&head.headers) {
        return Err(Refusal::Ambiguous("a transfer coding besides chunked"));
    }
    let certificate = match &rules.certificate {
        Some(told) if believed => told.read(&head.headers)?,
        _ => Certificate::OfConnection,
    };
    let sent = authority(&head)?;
    if let Some(session) = &peer.session
        && !session.is_for(sent)
    {
        return Err(Refusal::OtherCertificate {
            authority: sent.chars().take(128).collect(),
        });
    }
    let forwarded = forwarded.transpose()?;
    // What a proxy says of its own client counts more than how it reached us.
    let secure = forwarded
        .as_ref()
        .and_then(|f| f.secure)
        .unwrap_or(peer.session.is_some());
    confidential(secure, peer.local, rules.plain_http)?;
    let asked = forwarded
        .as_ref()
        .and_then(|f| f.host.as_deref())
        .unwrap_or(sent);
    let Some(name) = rules.names.find(asked) else {
        // Liveness is told to anybody who asks by whatever address: load balancers probe by IP, and it tells nothing else.
        if head.uri.path() == crate::endpoint::HEALTH && head.method != Method::POST {
            let authority = asked.into();
            return Ok(Arrival {
                head,
                body,
                read: None,
                to: None,
                client: peer.address.ip(),
                client_header: None,
                name: usize::MAX,
                authority,
                secure,
                public_https: secure,
                session: peer.session.clone(),
                certificate,
                peer: peer.address.ip(),
            });
        }
        return Err(Refusal::Misdirected {
            authority: asked.chars().take(128).collect(),
        });
    };
    let authority = asked.into();
    let (client, client_header) = match forwarded {
        Some(f) => (f.client, None),
        None => (peer.address.ip(), Some(peer.header.clone())),
    };
    Ok(Arrival {
        head,
        body,
        read: None,
        to: None,
        client,
        client_header,
        name,
        authority,
        secure,
        public_https: secure || rules.names.get(name).is_some_and(Name::is_https),
        session: peer.session.clone(),
        certificate,
        peer: peer.address.ip(),
    })
}

/// Beyond this machine nobody talks to us in the clear, unless the operator wants it so (SEC-38).
fn confidential(secure: bool, local: bool, plain_http: bool) -> Result<(), Refusal> {
    if secure || local || plain_http {
        return Ok(());
    }
    Err(Refusal::InsecureTransport)
}

/// The forms of a request target (RFC 9112 section 3.2): origin form and, for one of our hosts, absolute form.
pub(crate) fn form(head: &Parts) -> Result<(), Refusal> {
    if head.method == Method::CONNECT {
        return Err(Refusal::NoTunnel);
    }
    if head.method == Method::TRACE {
        return Err(Refusal::MethodNotAllowed {
            method: Method::TRACE,
            allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        });
    }
    if head.uri.path() == "*" {
        return if head.method == Method::OPTIONS {
            Ok(())
        } else {
            Err(Refusal::BadPath("asterisk form"))
        };
    }
    if !head.uri.path().starts_with('/') {
        return Err(Refusal::BadPath("not a path"));
    }
    Ok(())
}

/// The one authority a request names. Two that differ are two readings (trap 17, R9112, R9113).
pub(crate) fn authority(head: &Parts) -> Result<&str, Refusal> {
    let mut lines = head.headers.get_all(HOST).iter();
    let host = lines
        .next()
        .map(|value| {
            value
                .to_str()
                .map_err(|_| Refusal::Ambiguous("Host is not ASCII"))
        })
        .transpose()?;
    if lines.next().is_some() {
        return Err(Refusal::Ambiguous("two Host lines"));
    }
    let target = head.uri.authority().map(http::uri::Authority::as_str);
    match (target, host) {
        (Some(target), Some(host)) if !target.eq_ignore_ascii_case(host) => {
            Err(Refusal::Ambiguous("target and Host differ"))
        }
        (Some(target), None) if head.version == Version::HTTP_2 => plain(target),
        (_, Some(host)) => plain(host),
        (_, None) => Err(Refusal::Ambiguous("no Host")),
    }
}

fn plain(authority: &str) -> Result<&str, Refusal> {
    if authority.contains('@') {
        Err(Refusal::Ambiguous("user information in the authority"))
    } else {
        Ok(authority)
    }
}

pub(crate) fn is_trusted(proxies: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical(); // a v4 peer of a dual-stack listener is still that v4 peer
    proxies.iter().any(|net| net.contains(&address))
}

/// What trusted proxies say about a request.
struct Forwarded {
    client: IpAddr,
    /// `None` if they say nothing of it.
    secure: Option<bool>,
    host: Option<Box<str>>,
}

impl Forwarded {
    /// One family is read: `X-Forwarded-*` when any of it is there, else `Forwarded` (R7239). Most proxies write the first and pass
    /// on whatever a caller put into the second, so the second is never allowed to override it.
    fn read(rules: &Rules, peer: &Peer, headers: &HeaderMap) -> Result<Self, Refusal> {
        let x = [&X_FORWARDED_FOR, &X_FORWARDED_PROTO, &X_FORWARDED_HOST];
        if x.iter().any(|name| headers.contains_key(*name)) {
            let hops = list(headers, &X_FORWARDED_FOR)?;
            let protos = list(headers, &X_FORWARDED_PROTO)?;
            let hosts = list(headers, &X_FORWARDED_HOST)?;
            return Ok(Self {
                client: walk(
                    &rules.proxies,
                    peer.address.ip(),
                    hops.iter().map(|hop| node(hop)),
                ),
                secure: (!protos.is_empty()).then(|| {
                    protos
                        .iter()
                        .all(|proto| proto.eq_ignore_ascii_case("https"))
                }),
                host: hosts.last().map(|host| (*host).into()),
            });
        }
        let elements = list(headers, &FORWARDED)?;
        let last = elements.last().copied().unwrap_or_default();
        Ok(Self {
            client: walk(
                &rules.proxies,
                peer.address.ip(),
                elements
                    .iter()
                    .map(|element| parameter(element, "for").and_then(|value| node(&value))),
            ),
            secure: elements
                .iter()
                .any(|e| parameter(e, "proto").is_some())
                .then(|| {
                    parameter(last, "proto").is_some()
                        && elements.iter().all(|e| {
                            parameter(e, "proto").is_none_or(|p| p.eq_ignore_ascii_case("https"))
                        })
                }),
            host: parameter(last, "host").map(String::into_boxed_str),
        })
    }
}

/// The members of a comma-separated header, over all its lines, in order.
fn list<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Vec<&'h str>, Refusal> {
    let mut members = Vec::new();
    for line in headers.get_all(name) {
        let line = line
            .to_str()
            .map_err(|_| Refusal::Ambiguous("a forwarding header is not ASCII"))?;
        members.extend(
            line.split(',')
                .map(str::trim)
                .filter(|member| !member.is_empty()),
        );
    }
    Ok(members)
}

/// Right to left: each trusted hop vouches for the one before it. What no one vouches for, or nobody can read, ends the walk.
fn walk(
    proxies: &[IpNet],
    peer: IpAddr,
    hops: impl DoubleEndedIterator<Item = Option<IpAddr>>,
) -> IpAddr {
    let mut client = peer.to_canonical();
    for hop in hops.rev() {
        if !is_trusted(proxies, client) {
            break;
        }
        let Some(hop) = hop else { break };
        client = hop.to_canonical();
    }
    client
}

/// An address with optional port; IPv6 may be bracketed and quoted; obfuscated names (`_x`, `unknown`) are nobody (RFC 7239 section 6).
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches('"');
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split(']').next()?.parse().ok();
    }
    text.parse().ok().or_else(|| {
        text.split_once(':')
            .and_then(|(host, port)| port.parse::<u16>().ok().and_then(|_| host.parse().ok()))
    })
}

/// One parameter of a `Forwarded` element, unquoted.
fn parameter(element: &str, name: &str) -> Option<String> {
    element.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// Whether a request announces or carries a body.
pub(crate) fn has_body(arrival: &Arrival) -> bool {
    !arrival.body.is_end_stream()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loopback listeners cannot show this from outside.
    #[test]
    fn sec_38_plain_http_off_loopback_is_for_proxies_that_say_https() {
        for (secure, local, plain_http, good) in [
            (false, false, false, false),
            (true, false, false, true),
            (false, true, false, true),
            (false, false, true, true),
        ] {
            assert_eq!(confidential(secure, local, plain_http).is_ok(), good);
        }
    }
}
