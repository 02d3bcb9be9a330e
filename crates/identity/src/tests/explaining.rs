//! Every refusal names the stage that was not passed, after those that were.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderValue, header};
use serde_json::json;

use crate::testing::{ISSUER, NOW, TestKey, Token, World, evidence};
use crate::{Failure, Mark, Presented, RouteAuthenticator, Step, observe};

/// What the route says to a line of `Authorization`, and how that is explained.
async fn explained(
    route: &RouteAuthenticator,
    line: &str,
    now: crate::Timestamp,
) -> (Result<(), Failure>, Vec<Step>) {
    let value = HeaderValue::from_str(line).unwrap();
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
    let evidence = evidence(&headers);
    let (outcome, notes) = observe(async {
        match route.look(&evidence, now)? {
            Presented::Nothing => panic!("a credential was presented"),
            Presented::Known(caller) => Ok(caller),
            Presented::Unknown(unverified) => route.caller(unverified, now).await,
        }
    })
    .await;
    let steps = route.explain(notes, outcome.as_ref(), now);
    (outcome.map(drop), steps)
}

fn stages(steps: &[Step]) -> Vec<(&'static str, Mark)> {
    steps.iter().map(|step| (step.stage, step.mark)).collect()
}

const ALL: [&str; 11] = [
    "form",
    "issuer",
    "algorithm",
    "key",
    "signature",
    "token type",
    "proof",
    "subject",
    "scopes",
    "times",
    "audience",
];

#[tokio::test]
async fn s0_71_what_is_taken_has_passed_every_stage() {
    let world = World::with(TestKey::es256(), |settings| {
        settings.rules.scope_map = vec![("mcp".into(), vec!["mcp:read".into()])];
    })
    .await;
    let token = world.token().claim("nbf", NOW.0 - 60).sign();
    for _again in 0..2 {
        let (outcome, steps) = explained(&world.route, &format!("Bearer {token}"), NOW).await;
        assert_eq!(outcome, Ok(()));
        assert!(steps.iter().all(|step| step.mark == Mark::Passed));
        let text = |stage: &str| {
            let step = steps.iter().find(|step| step.stage == stage);
            step.map(|step| step.text.as_str())
        };
        assert_eq!(
            text("subject"),
            Some(r#"user "ada" of "https://issuer.example", by client "app""#)
        );
        assert_eq!(
            text("times"),
            Some(
                "iat 1799999940 (60 s ago), nbf 1799999940 (60 s ago), exp 1800000600 (in 600 s); now 1800000000, leeway 30 s"
            )
        );
        assert_eq!(
            text("audience"),
            Some(r#"it is for "https://mcp.example/mcp"; expected is ["https://mcp.example/mcp"]"#)
        );
        assert_eq!(text("deny list"), Some("it does not name this caller"));
        if text("form").is_some() {
            let all: Vec<_> = steps.iter().map(|step| step.stage).collect();
            assert_eq!(all[..ALL.len()], ALL);
            assert_eq!(
                text("scopes"),
                Some(r#"scope: "mcp"; scope_map adds "mcp:read""#)
            );
            assert_eq!(
                text("key"),
                Some(r#"kid "k1"; of 1 keys 1 may have signed it"#)
            );
            assert_eq!(
                text("issuer"),
                Some(r#""https://issuer.example" selects corp (jwks)"#)
            );
        }
    }
}

#[tokio::test]
async fn s0_71_each_refusal_names_its_stage_after_those_that_were_passed() {
    let world = World::with(TestKey::es256(), |settings| {
        settings.max_token_lifetime = Some(std::time::Duration::from_mins(15));
    })
    .await;
    let other = TestKey::es256();
    let bearer = |token: Token<'_>| format!("Bearer {}", token.sign());
    let good = || world.token();
    let table: [(String, &str, &str); 19] = [
        ("Basic YTpi".into(), "malformed_credentials", "credential"),
        ("Bearer opaque".into(), "not_a_jwt", "form"),
        (
            bearer(good().claim("iss", json!(["x"]))),
            "malformed_token",
            "form",
        ),
        (
            bearer(good().header("crit", json!(["exp"]))),
            "critical_header",
            "form",
        ),
        (
            bearer(good().claim("iss", "https://other.example")),
            "issuer_mismatch",
            "issuer",
        ),
        (bearer(good().no_claim("iss")), "issuer_mismatch", "issuer"),
        (
            bearer(good().header("alg", "EdDSA")),
            "algorithm_not_allowed",
            "algorithm",
        ),
        (
            bearer(good().header("alg", "RS256")),
            "algorithm_not_allowed",
            "algorithm",
        ),
        (
            bearer(good().header("typ", "logout+jwt")),
            "token_type_not_allowed",
            "token type",
        ),
        (bearer(good().header("kid", "k2")), "unknown_key", "key"),
        (bearer(Token::new(&other)), "invalid_signature", "signature"),
        (
            bearer(good().claim("cnf", json!({ "jkt": "A".repeat(43) }))),
            "proof_required",
            "proof",
        ),
        (bearer(good().no_claim("exp")), "missing_expiry", "times"),
        (
            bearer(good().claim("exp", NOW.0 + 6000)),
            "lifetime_too_long",
            "times",
        ),
        (bearer(good().claim("exp", NOW.0 - 31)), "expired", "times"),
        (
            bearer(good().claim("nbf", NOW.0 + 31)),
            "not_yet_valid",
            "times",
        ),
        (
            bearer(good().no_claim("sub").no_claim("client_id")),
            "missing_subject",
            "subject",
        ),
        (
            bearer(good().claim("aud", "https://else.example")),
            "audience_mismatch",
            "audience",
        ),
        (
            bearer(good().claim("aud", json!([7]))),
            "malformed_token",
            "form",
        ),
    ];
    let mut met = BTreeSet::new();
    for (line, reason, stage) in table {
        let (outcome, steps) = explained(&world.route, &line, NOW).await;
        let failure = outcome.unwrap_err();
        assert_eq!(failure.reason(), reason);
        met.insert(reason);
        let (last, before) = steps.split_last().unwrap();
        assert_eq!((last.stage, last.mark), (stage, Mark::Refused), "{reason}");
        assert!(
            before
                .iter()
                .all(|step| step.mark == Mark::Passed && step.stage != stage),
            "{reason}: {:?}",
            stages(before)
        );
        assert!(!failure.hint().is_empty());
        let told = format!("{steps:?}");
        let signature = line.rsplit('.').next().unwrap();
        assert!(line.len() < 20 || !told.contains(signature), "{told}");
    }
    assert_eq!(met.len(), 16);
}

#[tokio::test]
async fn s0_71_times_are_told_with_their_numbers_where_they_are_why() {
    let world = World::new().await;
    let token = world.token().claim("exp", NOW.0 - 31).sign();
    let (outcome, steps) = explained(&world.route, &format!("Bearer {token}"), NOW).await;
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "token has expired: 31 s ago"
    );
    assert_eq!(
        steps.last().unwrap().text,
        "iat 1799999940 (60 s ago), exp 1799999969 (31 s ago); now 1800000000, leeway 30 s"
    );
    assert_eq!(stages(&steps).len(), ALL.len() - 1, "{steps:?}");
}

#[tokio::test]
async fn s0_71_the_issuer_selects_one_and_it_is_told_why_not_the_others() {
    let world = World::new().await;
    let settings = || {
        let mut settings = crate::testing::settings();
        settings.rules.issuer = "https://other.example".into();
        settings.jwks(config::KeySource::File(world.file.clone()))
    };
    let ours = crate::testing::settings().jwks(config::KeySource::File(world.file.clone()));
    let config = crate::testing::config(vec![("corp", ours), ("partner", settings())]);
    let all = crate::Authenticators::idle(&config, crate::testing::clock()).unwrap();
    let route = all.for_route(&[0, 1], &[], &[crate::testing::RESOURCE.into()], &[]);
    assert_eq!(route.accepted(), "corp (jwks), partner (jwks)");
    let token = format!("Bearer {}", world.token().sign());
    let (outcome, steps) = explained(&route, &token, NOW).await;
    assert_eq!(outcome.unwrap_err().reason(), "jwks_unreachable");
    assert_eq!(steps.last().unwrap().stage, "key", "nothing was fetched");

    let (_fetching, missed) = all.fetch(&[0, 1]).await;
    assert!(missed.is_empty());
    let (outcome, steps) = explained(&route, &token, NOW).await;
    assert_eq!(outcome, Ok(()));
    assert_eq!(
        steps[1].text,
        format!(
            r#""{ISSUER}" selects corp (jwks); not partner (jwks), which takes ["https://other.example"]"#
        )
    );
}
