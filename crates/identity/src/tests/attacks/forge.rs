//! Makes a token as an entry of the list says.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::secrets::Secrets;
use super::targets::{Signer, Target};
use crate::testing::{ISSUER, NOW, RESOURCE, TestKey};

/// Order of the group of P-256 (SEC 2 section 2.4.2).
const P256_N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
/// Order of the group of Ed25519 (RFC 8032 section 5.1), little-endian.
const ED25519_L: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

/// One attack on one target.
pub(super) struct Forger<'a> {
    target: &'a Target,
    entry: &'a Value,
    each: &'a Value,
}

impl<'a> Forger<'a> {
    pub(super) fn new(target: &'a Target, entry: &'a Value, each: &'a Value) -> Self {
        Self {
            target,
            entry,
            each,
        }
    }

    pub(super) fn token(&self) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let header = json!({ "alg": self.target.alg(), "kid": "k1", "typ": "at+jwt" });
        let payload = json!({
            "iss": ISSUER, "sub": "ada", "aud": RESOURCE, "client_id": "app", "scope": "mcp",
            "iat": NOW.0 - 60, "exp": NOW.0 + 600, "jti": "1",
        });
        let header = text(&self.part("header", header));
        let payload = text(&self.part("payload", payload));
        let signature = text(&signature(self, &format!("{header}.{payload}")));
        let form = self.entry["token"].as_str().unwrap_or("{h}.{p}.{s}");
        form.replace("{each}", self.each.as_str().unwrap_or_default())
            .replace("{h}", &header)
            .replace("{p}", &payload)
            .replace("{s~}", &respelled(&signature))
            .replace("{s}", &signature)
    }

    /// Header or payload: the good one with what is changed, or another text.
    fn part(&self, name: &str, good: Value) -> Vec<u8> {
        let Value::Object(mut members) = good else {
            unreachable!()
        };
        match &self.entry[name] {
            Value::String(text) => return bytes(&self.filled(text)),
            Value::Object(changes) => self.change(&mut members, changes),
            _ => {}
        }
        Value::Object(members).to_string().into_bytes()
    }

    fn change(&self, members: &mut Map<String, Value>, changes: &Map<String, Value>) {
        for (name, value) in changes {
            let name = self.filled(name);
            match self.value(value) {
                Value::String(text) if text == "(absent)" => {
                    members.remove(&name);
                }
                value => {
                    members.insert(name, value);
                }
            }
        }
    }

    /// A value with everything filled in, in whatever it holds.
    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) if text == "{each}" => match self.each {
                Value::String(_) => Value::String(self.filled(text)),
                Value::Array(list) => list.iter().map(|one| self.value(one)).collect(),
                Value::Object(_) => self.value(self.each),
                other => other.clone(),
            },
            Value::String(text) if text == "{foreign jwk}" => match &self.target.foreign {
                Signer::Public(key) => key.jwk("k1"),
                Signer::Shared(secret) => json!({ "kty": "oct", "k": secret }),
            },
            Value::String(text) => Value::String(self.filled(text)),
            Value::Array(list) => list.iter().map(|one| self.value(one)).collect(),
            Value::Object(members) => {
                let members = members.iter();
                let members = members.map(|(name, one)| (self.filled(name), self.value(one)));
                Value::Object(members.collect())
            }
            other => other.clone(),
        }
    }

    fn filled(&self, text: &str) -> String {
        let each = match self.each {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        text.replace("{each}", &each)
            .replace("{alg}", self.target.alg())
            .replace("{iss}", ISSUER)
            .replace("{ISS}", &ISSUER.to_uppercase())
            .replace("{aud}", RESOURCE)
            .replace("{AUD}", &RESOURCE.to_uppercase())
            .replace("{now+600}", &(NOW.0 + 600).to_string())
            .replace("{8KiB}", &"k".repeat(8 << 10))
            .replace("{64KiB}", &"k".repeat(64 << 10))
            .replace(
                "{deep}",
                &format!("{}{}", "[".repeat(2000), "]".repeat(2000)),
            )
    }
}

/// Text in which `{0xff}` stands for a byte.
fn bytes(text: &str) -> Vec<u8> {
    let mut parts = text.split("{0x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (byte, rest) = part.split_once('}').unwrap();
        bytes.push(u8::from_str_radix(byte, 16).unwrap());
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}

/// The same bytes with other unused bits in the last character.
fn respelled(text: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = text.split_at(text.len() - 1);
    let place = ALPHABET.find(last).unwrap();
    let other = ALPHABET.as_bytes()[place ^ 1] as char;
    format!("{rest}{other}")
}

/// `sign` of an entry:
///
/// - nothing: by the right key; `foreign`: by another one; `pss`: by the right one with another padding;
/// - `of another token`: by the right key over other claims;
/// - `{ hex }`: these bytes;
/// - `{ hmac, secret }`: an HMAC with a secret that is named, see [`Secrets::bytes`];
/// - `{ own }`: the right signature, changed, see [`changed`];
/// - `{ ecdsa }`: r and s, as `own` or numbers around the order `n`; `{ rsa }`: a number around the modulus `n`.
pub(super) fn signature(forger: &Forger<'_>, signed: &str) -> Vec<u8> {
    let target = forger.target;
    let text = |value: &Value| forger.filled(value.as_str().unwrap());
    match &forger.entry["sign"] {
        Value::Null => target.signer.sign(signed),
        Value::String(word) => match word.as_str() {
            "foreign" => target.foreign.sign(signed),
            "pss" => target.signer.sign_pss(signed),
            "of another token" => {
                let claims =
                    json!({ "iss": ISSUER, "sub": "eve", "aud": RESOURCE, "exp": NOW.0 + 600 });
                let header = signed.split('.').next().unwrap();
                let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
                target.signer.sign(&format!("{header}.{claims}"))
            }
            other => panic!("nobody signs by {other}"),
        },
        how => match how.as_object().unwrap().iter().next().unwrap().0.as_str() {
            "hex" => unhex(&text(&how["hex"])),
            "hmac" => {
                let key = Secrets::of(target).bytes(&text(&how["secret"]));
                mac(&text(&how["hmac"]), &key, signed)
            }
            "own" => changed(target.signer.sign(signed), &text(&how["own"])),
            "ecdsa" => {
                let own = target.signer.sign(signed);
                let pair = text(&how["ecdsa"]);
                let (r, s) = pair.split_once(',').unwrap();
                let order = unhex(P256_N);
                [number(r, &order, &own[..32]), number(s, &order, &own[32..])].concat()
            }
            "rsa" => {
                let modulus = Secrets::of(target).bytes("number");
                number(&text(&how["rsa"]), &modulus, &[])
            }
            other => panic!("nobody signs with {other}"),
        },
    }
}

fn mac(bits: &str, key: &[u8], signed: &str) -> Vec<u8> {
    let algorithm = match bits {
        "256" => hmac::HMAC_SHA256,
        "384" => hmac::HMAC_SHA384,
        "512" => hmac::HMAC_SHA512,
        other => panic!("there is no HS{other}"),
    };
    let key = hmac::Key::new(algorithm, key);
    hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
}

/// A signature that was right.
fn changed(mut own: Vec<u8>, how: &str) -> Vec<u8> {
    match how {
        "a bit turned" => {
            let middle = own.len() / 2;
            own[middle] ^= 1;
            own
        }
        "zeros" => vec![0; own.len()],
        "doubled" => own.repeat(2),
        "and a zero" => [own, vec![0]].concat(),
        "zero before" => [vec![0], own].concat(),
        "with wider numbers" => [&[0], &own[..32], &[0], &own[32..]].concat(),
        "as DER" => {
            let integer = |number: &[u8]| {
                let sign: &[u8] = if number[0] >= 0x80 { &[0] } else { &[] };
                let length = u8::try_from(sign.len() + number.len()).unwrap();
                [&[2, length], sign, number].concat()
            };
            let pair = [integer(&own[..32]), integer(&own[32..])].concat();
            [&[0x30, u8::try_from(pair.len()).unwrap()], &pair[..]].concat()
        }
        "S plus the order" => {
            let mut carry = 0;
            for (digit, order) in own[32..].iter_mut().zip(unhex(ED25519_L)) {
                let sum = u16::from(*digit) + u16::from(order) + carry;
                *digit = sum.to_le_bytes()[0];
                carry = sum >> 8;
            }
            own
        }
        first => {
            let count = first.strip_prefix("first ").expect("a known change");
            own.truncate(count.parse().unwrap());
            own
        }
    }
}

/// A number as wide as `order`, around it or around zero.
fn number(word: &str, order: &[u8], own: &[u8]) -> Vec<u8> {
    let mut number = order.to_vec();
    let last = number.len() - 1;
    match word {
        "own" => return own.to_vec(),
        "0" => number.fill(0),
        "1" => {
            number.fill(0);
            number[last] = 1;
        }
        "max" => number.fill(0xff),
        "n" => {}
        // both orders end in an odd digit that is neither 0 nor 255
        "n-1" => number[last] -= 1,
        "n+1" => number[last] += 1,
        other => panic!("{other} is no number"),
    }
    number
}

fn unhex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0, "{text}");
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

impl Signer {
    fn sign(&self, signed: &str) -> Vec<u8> {
        let (random, message) = (SystemRandom::new(), signed.as_bytes());
        match self {
            Self::Public(TestKey::Es256(pair)) => {
                pair.sign(&random, message).unwrap().as_ref().to_vec()
            }
            Self::Public(TestKey::Ed25519(pair)) => pair.sign(message).as_ref().to_vec(),
            Self::Public(TestKey::Rsa(pair)) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
            Self::Shared(secret) => mac("256", secret.as_bytes(), signed),
        }
    }

    fn sign_pss(&self, signed: &str) -> Vec<u8> {
        let Self::Public(TestKey::Rsa(pair)) = self else {
            panic!("PSS is of RSA")
        };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(
            &RSA_PSS_SHA256,
            &SystemRandom::new(),
            signed.as_bytes(),
            &mut signature,
        )
        .unwrap();
        signature
    }
}
