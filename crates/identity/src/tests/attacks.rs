//! A list of attacks, each tried on every way of checking a signature.
//!
//! `attacks.json` is the list. An entry says how a good token is changed, and literally how that is refused:
//!
//! - `for`: `rs256`, `es256`, `eddsa`, `hs256`: kinds of key that it concerns; all, if it is left out;
//! - `each`: one attack for each of these values, which stands where `{each}` does;
//! - `header`, `payload`: members to put in (`"(absent)"`: to leave out), or the whole text;
//! - `sign`: by whom or how, see [`forge::signature`]; by the right key, if it is left out;
//! - `token`: how the three parts `{h}`, `{p}`, `{s}` are put together; `{s~}` is another spelling of the same bytes;
//! - `expected`: the reason, or one for each kind of authenticator where they differ.
//!
//! In texts `{alg}`, `{iss}`, `{aud}`, `{ISS}`, `{AUD}`, `{now+600}`, `{8KiB}`, `{64KiB}`, `{deep}`, `{foreign jwk}` and bytes like
//! `{0xff}` are filled in.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::RouteAuthenticator;
use crate::testing::{NOW, ask};
use forge::Forger;
use secrets::Secrets;
pub(super) use secrets::{der, pem};

mod forge;
mod secrets;
mod targets;

use targets::Target;

/// A token is judged in far less than a millisecond; this is for a machine with other things to do.
const BOUND: Duration = Duration::from_secs(2);

/// One entry of the list.
struct Attack {
    name: String,
    only: Option<Vec<String>>,
    each: Vec<Value>,
    entry: Value,
}

fn list() -> Vec<Attack> {
    let list: Vec<Value> = serde_json::from_str(include_str!("attacks.json")).unwrap();
    let keys = [
        "name", "for", "each", "header", "payload", "sign", "token", "expected",
    ];
    let attack = |entry: Value| {
        let unknown = entry
            .as_object()
            .unwrap()
            .keys()
            .find(|key| !keys.contains(&key.as_str()));
        assert_eq!(unknown, None, "{entry}");
        let texts = |value: &Value| serde_json::from_value(value.clone()).unwrap();
        Attack {
            name: entry["name"].as_str().unwrap().to_owned(),
            only: entry.get("for").map(texts),
            each: match entry.get("each") {
                Some(values) => values.as_array().unwrap().clone(),
                None => vec![Value::Null],
            },
            entry,
        }
    };
    list.into_iter().map(attack).collect()
}

impl Attack {
    fn concerns(&self, target: &Target) -> bool {
        let only = self.only.as_ref();
        only.is_none_or(|keys| keys.iter().any(|key| key == target.key_kind()))
    }

    fn expected(&self, target: &Target) -> &str {
        let expected = &self.entry["expected"];
        expected
            .as_str()
            .or_else(|| expected[target.kind].as_str())
            .unwrap_or_else(|| panic!("{}: nothing is expected of {}", self.name, target.kind))
    }
}

/// How a token is judged: the reason, or `ok`.
async fn judged(route: &RouteAuthenticator, token: &str) -> &'static str {
    let outcome = ask(route, token, NOW).await;
    outcome.map_or_else(|failure| failure.reason(), |_| "ok")
}

/// All attacks on one target. How many there were, and what went wrong.
async fn siege(target: &Target) -> (usize, Vec<String>) {
    let (mut tried, mut problems) = (0, Vec::new());
    let good = Forger::new(target, &Value::Null, &Value::Null).token();
    for attack in list().iter().filter(|attack| attack.concerns(target)) {
        for each in &attack.each {
            let token = Forger::new(target, &attack.entry, each).token();
            assert_ne!(token, good, "{}: {each} changes nothing", attack.name);
            let began = Instant::now();
            let found = judged(&target.route, &token).await;
            let took = began.elapsed();
            tried += 1;
            let expected = attack.expected(target);
            if found != expected || took > BOUND {
                let name = &attack.name;
                problems.push(format!("{name}, {each}: {found}, not {expected}; {took:?}"));
            }
        }
    }
    // none of it has changed what is good
    assert_eq!(judged(&target.route, &good).await, "ok");
    (tried, problems)
}

async fn besiege(targets: Vec<Target>) {
    for target in targets {
        let good = Forger::new(&target, &Value::Null, &Value::Null).token();
        assert_eq!(judged(&target.route, &good).await, "ok", "{}", target.name);
        let (tried, problems) = siege(&target).await;
        assert!(tried > 300, "only {tried} attacks on {}", target.name);
        assert!(
            problems.is_empty(),
            "{}:\n{}",
            target.name,
            problems.join("\n")
        );
    }
}

#[tokio::test]
async fn r8725_sec_13_no_attack_of_the_list_succeeds_on_a_key_set() {
    besiege(targets::jwks().await).await;
}

#[tokio::test]
async fn r8725_s0_32_no_attack_of_the_list_succeeds_on_a_public_key() {
    besiege(targets::public_keys().await).await;
}

#[tokio::test]
async fn r8725_s0_32_no_attack_of_the_list_succeeds_on_a_shared_secret() {
    besiege(vec![targets::shared_secret().await]).await;
}

#[test]
fn r8725_an_attack_of_the_list_is_what_it_says() {
    let secrets = Secrets::of_hmac(b"secret");
    assert_eq!(secrets.bytes("hex of the secret"), b"736563726574");
    let names: Vec<_> = list().into_iter().map(|attack| attack.name).collect();
    for kind in [
        "alg none",
        "jwk",
        "jku",
        "kid",
        "twice",
        "crit",
        "b64",
        "zip",
        "encrypted",
        "ECDSA",
        "exp",
        "base64",
    ] {
        assert!(names.iter().any(|name| name.contains(kind)), "{kind}");
    }
}
