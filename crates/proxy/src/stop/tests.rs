use identity::Failure;
use mcp::sse::endpoint::Unusable;

use super::*;

fn needed() -> Arc<Scopes> {
    Arc::new(Scopes::parse("mcp mcp:call").unwrap())
}

/// One of each. The matches below do not compile when a variant is missing there, and `position` then fails when it is missing here.
fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::MissingCredentials,
        Refusal::InsufficientScope {
            held: "mcp".into(),
            needed: needed(),
        },
        Refusal::TokenInQuery {
            parameter: "access_token",
        },
        Refusal::Ambiguous("two Host lines"),
        Refusal::BadPath("dot segment"),
        Refusal::Misdirected {
            authority: "evil.example".into(),
        },
        Refusal::OtherCertificate {
            authority: "other.example".into(),
        },
        Refusal::NoRoute,
        Refusal::MethodNotAllowed {
            method: Method::PUT,
            allow: "GET",
        },
        Refusal::NoTunnel,
        Refusal::OriginNotAllowed {
            origin: "https://evil.example".into(),
        },
        Refusal::ServiceWorker,
        Refusal::InsecureTransport,
        Refusal::InTheClear,
        Refusal::IdentityTooLarge,
        Refusal::BodyTooLarge { limit: 4 },
        Refusal::BodyTimeout(Duration::from_secs(30)),
        Refusal::BodyBroken,
        Refusal::UpstreamUnreachable("connection refused".into()),
        Refusal::UpstreamLate(Duration::from_mins(5)),
        Refusal::UpstreamUnauthorized(StatusCode::UNAUTHORIZED),
        Refusal::UpstreamAnswer("a redirect on an MCP route"),
        Refusal::RateLimited(Exceeded::StreamsOfCaller(64)),
        Refusal::Unaccountable,
        Refusal::CallerNeeded { needed: needed() },
        Refusal::NotPermitted("no rule names the tool"),
        Refusal::Unreadable(Unreadable::Ambiguous("duplicate key")),
        Refusal::UnsupportedMedia("the body is encoded"),
        Refusal::InspectionFull,
        Refusal::ForeignSession("another caller's"),
        Refusal::ExpiredForThis {
            late: 31,
            needed: needed(),
        },
        Refusal::HeaderMismatch("Mcp-Name is missing"),
        Refusal::UpstreamEndpoint(Unusable::Missing),
        Refusal::Unprompted("stream"),
    ]
}

fn position(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::MissingCredentials => 0,
        Refusal::InsufficientScope { .. } => 1,
        Refusal::TokenInQuery { .. } => 2,
        Refusal::Ambiguous(_) => 3,
        Refusal::BadPath(_) => 4,
        Refusal::Misdirected { .. } => 5,
        Refusal::OtherCertificate { .. } => 6,
        Refusal::NoRoute => 7,
        Refusal::MethodNotAllowed { .. } => 8,
        Refusal::NoTunnel => 9,
        Refusal::OriginNotAllowed { .. } => 10,
        Refusal::ServiceWorker => 11,
        Refusal::InsecureTransport => 12,
        Refusal::InTheClear => 13,
        Refusal::IdentityTooLarge => 14,
        Refusal::BodyTooLarge { .. } => 15,
        Refusal::BodyTimeout(_) => 16,
        Refusal::BodyBroken => 17,
        Refusal::UpstreamUnreachable(_) => 18,
        Refusal::UpstreamLate(_) => 19,
        Refusal::UpstreamUnauthorized(_) => 20,
        Refusal::UpstreamAnswer(_) => 21,
        Refusal::RateLimited(_) => 22,
        Refusal::Unaccountable => 23,
        Refusal::CallerNeeded { .. } => 24,
        Refusal::NotPermitted(_) => 25,
        Refusal::Unreadable(_) => 26,
        Refusal::UnsupportedMedia(_) => 27,
        Refusal::InspectionFull => 28,
        Refusal::ForeignSession(_) => 29,
        Refusal::ExpiredForThis { .. } => 30,
        Refusal::HeaderMismatch(_) => 31,
        Refusal::UpstreamEndpoint(_) => 32,
        Refusal::Unprompted(_) => 33,
        Refusal::Unproven(_) => 34,
    }
}

fn failures() -> Vec<Failure> {
    let some = || Box::from("x");
    vec![
        Failure::MalformedCredentials("two lines"),
        Failure::MalformedApiKey("empty"),
        Failure::UnknownApiKey(""),
        Failure::ApiKeyExpired { late: 31 },
        Failure::IdentitiesDisagree {
            token: some(),
            key: some(),
        },
        Failure::NotAJwt("one part"),
        Failure::MalformedToken(some()),
        Failure::AlgorithmNotAllowed {
            found: some(),
            allowed: some(),
        },
        Failure::TokenTypeNotAllowed(some()),
        Failure::CriticalHeader,
        Failure::UnknownKey(some()),
        Failure::InvalidSignature(""),
        Failure::Expired { late: 31 },
        Failure::NotYetValid {
            claim: "nbf",
            early: 60,
        },
        Failure::MissingExpiry,
        Failure::LifetimeTooLong(some()),
        Failure::IssuerMismatch {
            expected: some(),
            found: some(),
        },
        Failure::AudienceMismatch {
            expected: some(),
            found: some(),
        },
        Failure::MissingSubject,
        Failure::ProofRequired("cnf.jkt"),
        Failure::InvalidProof(some()),
        Failure::OtherKey("another key"),
        Failure::NonceNeeded("none"),
        Failure::ProofsFull("all"),
        Failure::Denied("client"),
        Failure::Denied("key"),
        Failure::Inactive,
        Failure::JwksUnreachable {
            authenticator: some(),
        },
        Failure::IntrospectionFailed {
            authenticator: some(),
            cause: some(),
        },
    ]
}

#[test]
fn err_1_err_3_err_6_the_refusal_table_is_what_was_reviewed() {
    let mut all = refusals();
    for (i, refusal) in all.iter().enumerate() {
        assert_eq!(position(refusal), i, "{refusal}");
    }
    assert_eq!(
        all.len(),
        position(&Refusal::Unproven(Failure::MissingExpiry))
    );
    all.extend(failures().into_iter().map(Refusal::Unproven));
    let table: String = all.iter().map(row).collect();
    insta::assert_snapshot!(table);
}

fn row(refusal: &Refusal) -> String {
    let public = refusal.public();
    let challenge = match public.challenge {
        Challenge::None => "-".to_owned(),
        Challenge::Plain => "Bearer".to_owned(),
        Challenge::Error(error) => format!("Bearer error={}", error.as_str()),
    };
    let retry = refusal.retry_after().map_or_else(String::new, |after| {
        format!(" retry-after={}", after.as_secs())
    });
    let needed = refusal.needed();
    let needed = needed.map_or_else(String::new, |needed| format!(" needed=[{needed}]"));
    let kind = refusal.upstream_kind();
    let kind = kind.map_or_else(String::new, |kind| format!(" upstream={kind}"));
    let allow = refusal.allow();
    let allow = allow.map_or_else(String::new, |allow| format!(" allow=[{allow}]"));
    format!(
        "{} {:<24} {challenge}{needed}{retry}{kind}{allow} · {}\n",
        public.status.as_u16(),
        public.reason,
        public.description
    )
}

#[test]
fn x23_what_the_caller_is_told_names_no_value() {
    for refusal in failures().into_iter().map(Refusal::Unproven) {
        let told = refusal.public().description;
        assert!(
            told == "Token expired"
                || told == "API key expired"
                || told == "the credential was not accepted"
                || told == "the DPoP proof was not accepted"
                || told == "the DPoP proof needs this nonce"
                || told == "the credential cannot be checked at the moment",
            "{told}"
        );
    }
}

#[test]
fn scopes_are_spoken_of_where_there_are_some() {
    let needing = |scopes: &str| Refusal::CallerNeeded {
        needed: Arc::new(Scopes::parse(scopes).unwrap()),
    };
    let none = "no credentials were presented for what needs some";
    assert_eq!(needing("").to_string(), none);
    let two = format!("{none}, with the scopes [admin mcp]");
    assert_eq!(needing("mcp admin").to_string(), two);
}

#[test]
fn err_6_only_a_missing_scope_adds_to_what_is_told() {
    for refusal in refusals() {
        let told = match &refusal {
            Refusal::InsufficientScope { needed, .. } => {
                format!("the token lacks a scope that this needs: {needed}")
            }
            _ => refusal.public().description.to_owned(),
        };
        assert_eq!(refusal.told(), told, "{refusal}");
    }
}
