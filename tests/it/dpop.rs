//! Tokens that are bound to a client's key, and the proofs that come with them (RFC 9449).

use serde_json::{Value, json};
use testbed::client::{Answer, Request};
use testbed::{Proof, ProofKey, World};

use crate::setting::{Refused, program, refused};
use crate::support::{MCP, config, world};

/// What a client has of its own.
pub(crate) struct Holder {
    pub(crate) key: ProofKey,
    pub(crate) token: String,
}

impl Holder {
    /// Of a good token for `/mcp` that is bound to a key of its own.
    pub(crate) fn of(world: &World) -> Self {
        let key = ProofKey::new();
        let token = world.token().claim("cnf", key.cnf()).sign();
        Self { key, token }
    }

    /// A good proof for a POST to `/mcp`.
    pub(crate) fn proof(&self, world: &World) -> Proof<'_> {
        let url = world.gateway.url("/mcp");
        self.key.proof("POST", &url, &self.token)
    }

    /// A tool call with this proof.
    pub(crate) fn call(&self, world: &World, proof: &Proof<'_>) -> Request {
        let call = world.client().post("/mcp").call("echo", &Value::Null);
        call.dpop(&self.token, proof)
    }

    async fn answer(&self, world: &World, proof: &Proof<'_>) -> Answer {
        self.call(world, proof).send().await
    }

    /// Sends a proof that must be refused.
    async fn refused(&self, world: &World, proof: &Proof<'_>, cause: &str) {
        let request = self.call(world, proof);
        let refused = refused(world, request, 401, "invalid_proof").await;
        assert!(refused.cause().contains(cause), "{}", refused.cause());
        assert_eq!(lines(&refused.answer), [bad_proof(world)]);
    }
}

/// The lines of a challenge.
pub(crate) fn lines(answer: &Answer) -> Vec<&str> {
    answer.headers.all("www-authenticate")
}

const ALGORITHMS: &str = "ES256 EdDSA Ed25519 ES384 PS256 PS384 PS512 RS256 RS384 RS512";

fn metadata(world: &World) -> String {
    let url = world
        .gateway
        .url("/.well-known/oauth-protected-resource/mcp");
    format!("resource_metadata=\"{url}\"")
}

fn bad_proof(world: &World) -> String {
    format!(
        "DPoP algs=\"{ALGORITHMS}\", error=\"invalid_dpop_proof\", error_description=\"the DPoP proof was not accepted\", {}",
        metadata(world)
    )
}

/// A route with more keys for its `auth`.
fn route(auth: &str) -> String {
    format!("{{ path: /mcp, upstream: \"{{upstream}}/mcp\", auth: {{ {auth} }} }}")
}

#[tokio::test]
async fn ext_dp_1_sec_15_a_proof_of_the_tokens_key_is_taken_and_stays_here() {
    let world = world("", &[MCP]).await;
    let holder = Holder::of(&world);
    for _ in 0..2 {
        // the second time the token is remembered, and its proof is judged all the same
        let answer = holder.answer(&world, &holder.proof(&world)).await;
        assert_eq!(answer.is(200).header("dpop-nonce"), None);
        let seen = world.server.last();
        assert_eq!(seen.header("x-auth-subject"), Some("alice"));
        assert_eq!(seen.header("authorization"), None);
        assert_eq!(seen.header("dpop"), None);
    }
}

#[tokio::test]
async fn sec_12_sec_15_r9449_each_proof_is_judged_also_when_the_token_is_remembered() {
    let world = world("", &[MCP]).await;
    let holder = Holder::of(&world);
    let good = holder.proof(&world);
    holder.answer(&world, &good).await.is(200);
    holder.refused(&world, &good, "used before").await;
    let url = world.gateway.url("/mcp");
    let other = ProofKey::new();
    let fresh = || holder.proof(&world);
    for (proof, cause) in [
        (fresh().claim("htm", "GET"), "htm is not"),
        (fresh().claim("htm", Value::Null), "htm is missing"),
        (
            fresh().claim("htu", "https://mcp.example.com/mcp"),
            "htu is",
        ),
        (
            fresh().claim("htu", format!("{}/mcp", world.server.url())),
            "htu is",
        ),
        (fresh().claim("htu", format!("{url}/")), "htu is"),
        (fresh().claim("htu", Value::Null), "htu is missing"),
        (fresh().claim("ath", "not-the-hash"), "ath is not"),
        (fresh().claim("ath", Value::Null), "ath is missing"),
        (fresh().claim("jti", Value::Null), "jti is missing"),
        (fresh().claim("jti", ""), "jti is empty"),
        (fresh().claim("iat", Value::Null), "iat is missing"),
        (fresh().at(-65), "ago"),
        (fresh().at(303), "ahead"),
        (fresh().header("typ", "jwt"), "typ is not"),
        (fresh().header("jwk", Value::Null), "jwk is missing"),
        (fresh().header("alg", "none"), "alg is no"),
        (fresh().header("alg", "HS256"), "alg is no"),
        (fresh().header("alg", "ES384"), "alg does not fit"),
        (fresh().header("crit", json!(["x"])), "crit"),
    ] {
        holder.refused(&world, &proof, cause).await;
    }
    let mut private = holder.key.jwk();
    private["d"] = "AAAA".into();
    let proof = fresh().header("jwk", private);
    holder.refused(&world, &proof, "private key").await;
    let foreign = other.proof("POST", &url, &holder.token);
    let forged = foreign.header("jwk", holder.key.jwk());
    holder.refused(&world, &forged, "signature").await;
    // nothing of this has used up the name of a proof
    holder.answer(&world, &fresh()).await.is(200);
}

#[tokio::test]
async fn r9449_a_token_counts_with_a_proof_of_its_own_key_alone() {
    let world = world("", &[MCP]).await;
    let holder = Holder::of(&world);
    let url = world.gateway.url("/mcp");
    let invalid_token = format!(
        "DPoP algs=\"{ALGORITHMS}\", error=\"invalid_token\", error_description=\"the credential was not accepted\", {}",
        metadata(&world)
    );
    let other = ProofKey::new();
    let foreign = holder.call(&world, &other.proof("POST", &url, &holder.token));
    let Refused { answer, .. } = refused(&world, foreign, 401, "invalid_proof").await;
    assert_eq!(lines(&answer), [invalid_token.as_str()]);
    // a token that is bound to nothing, with a proof
    let loose = Holder {
        key: ProofKey::new(),
        token: world.token().sign(),
    };
    let request = loose.call(&world, &loose.proof(&world));
    let Refused { answer, .. } = refused(&world, request, 401, "invalid_proof").await;
    assert_eq!(lines(&answer), [invalid_token.as_str()]);
    // what is wrong with the token itself is told in the scheme in which it came
    let wrong = Holder {
        token: world
            .idp
            .token()
            .audience("https://elsewhere.example")
            .sign(),
        key: ProofKey::new(),
    };
    let request = wrong.call(&world, &wrong.proof(&world));
    let Refused { answer, .. } = refused(&world, request, 401, "audience_mismatch").await;
    assert_eq!(lines(&answer), [invalid_token.as_str()]);
}

#[tokio::test]
async fn r9449_one_proof_comes_with_the_token() {
    let world = world("", &[MCP]).await;
    let holder = Holder::of(&world);
    let call = || world.client().post("/mcp").call("echo", &Value::Null);
    let scheme = format!("DPoP {}", holder.token);
    let none = call().header("Authorization", &scheme);
    let refusal = refused(&world, none, 401, "invalid_proof").await;
    assert!(refusal.cause().contains("no DPoP header"));
    assert_eq!(lines(&refusal.answer), [bad_proof(&world)]);
    let two = call()
        .dpop(&holder.token, &holder.proof(&world))
        .header("DPoP", &holder.proof(&world).sign());
    let refusal = refused(&world, two, 401, "invalid_proof").await;
    assert!(refusal.cause().contains("more than one"));
    for garbage in ["this-is-not-a-jwt", "a.b.c", "", "..", &"a".repeat(9000)] {
        let request = call()
            .header("Authorization", &scheme)
            .header("DPoP", garbage);
        refused(&world, request, 401, "invalid_proof").await;
    }
    // the scheme is read in any case
    let request = call()
        .header("Authorization", &format!("dpop {}", holder.token))
        .header("DPoP", &holder.proof(&world).sign());
    request.send().await.is(200);
}

#[tokio::test]
async fn r9449_sec_15_a_bound_token_is_no_bearer_token() {
    let world = world("", &[MCP]).await;
    let holder = Holder::of(&world);
    let call = || world.client().post("/mcp").call("echo", &Value::Null);
    for remembered in [false, true] {
        if remembered {
            holder.answer(&world, &holder.proof(&world)).await.is(200);
        }
        let bare = call().bearer(&holder.token);
        let with_proof = call()
            .bearer(&holder.token)
            .header("DPoP", &holder.proof(&world).sign());
        for request in [bare, with_proof] {
            let refusal = refused(&world, request, 401, "proof_required").await;
            let metadata = metadata(&world);
            assert_eq!(
                lines(&refusal.answer),
                [
                    format!(
                        "Bearer error=\"invalid_token\", error_description=\"the credential was not accepted\", {metadata}"
                    ),
                    format!("DPoP algs=\"{ALGORITHMS}\", {metadata}"),
                ]
            );
        }
    }
}

#[tokio::test]
async fn r9449_an_ordinary_token_is_served_as_ever() {
    let world = world("", &[MCP]).await;
    let call = || world.client().post("/mcp").call("echo", &Value::Null);
    // a header that belongs to another scheme means nothing, and stays here
    for stray in [None, Some("x"), Some("")] {
        let mut request = call().bearer(world.token());
        if let Some(stray) = stray {
            request = request.header("DPoP", stray).header("DPoP", stray);
        }
        request.send().await.is(200);
        assert_eq!(world.server.last().header("dpop"), None);
    }
    let plain = call().send().await;
    assert_eq!(lines(&plain), [format!("Bearer {}", metadata(&world))]);
}

#[tokio::test]
async fn sec_15_what_cnf_says_beyond_that_cannot_be_proven() {
    let world = world("", &[MCP]).await;
    for (cnf, reason) in [
        (json!({}), "proof_required"),
        (json!({ "kid": "k" }), "proof_required"),
        (json!({ "jwk": ProofKey::new().jwk() }), "proof_required"),
        (json!("x"), "malformed_token"),
        (json!({ "jkt": 1 }), "malformed_token"),
    ] {
        let token = world.token().claim("cnf", cnf).sign();
        let holder = Holder {
            key: ProofKey::new(),
            token,
        };
        let request = holder.call(&world, &holder.proof(&world));
        refused(&world, request, 401, reason).await;
    }
}

#[tokio::test]
async fn ext_dp_3_htu_is_the_url_that_clients_know() {
    let server = "public_url: \"https://mcp.example.com\", trusted_proxies: [127.0.0.1]";
    let yaml = config(server, &[MCP]);
    let world = World::start(program(), &yaml).await;
    let key = ProofKey::new();
    let token = world.idp.token().audience("https://mcp.example.com/mcp");
    let token = token.claim("cnf", key.cnf()).sign();
    let send = async |htu: &str, headers: &[(&str, &str)]| {
        let mut request = world.client().post("/mcp").body("{}");
        for (name, value) in headers {
            request = match *name {
                "Host" => request.host(value),
                name => request.header(name, value),
            };
        }
        let proof = key.proof("POST", htu, &token);
        request.dpop(&token, &proof).send().await.status
    };
    let public = "https://mcp.example.com/mcp";
    let inner = world.gateway.url("/mcp");
    let told = [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "mcp.example.com"),
    ];
    let tunnel = [("Host", "mcp.example.com")];
    let local = [("X-Request", "1")];
    for (headers, htu, status) in [
        (&told[..], public, 200),
        (&told, "HTTPS://MCP.EXAMPLE.COM:443/mcp?session=1#x", 200),
        (&told, &inner, 401),
        (&told, "http://mcp.example.com/mcp", 401),
        // a tunnel that says nothing of https ends at a name that has it
        (&tunnel, public, 200),
        (&tunnel, "http://mcp.example.com/mcp", 401),
        (&local, &inner, 200),
        (&local, public, 401),
    ] {
        assert_eq!(send(htu, headers).await, status, "{htu} {headers:?}");
    }
}

#[tokio::test]
async fn r9449_a_nonce_is_asked_for_and_given() {
    let world = world("", &[&route("dpop: { nonce: true }")]).await;
    let holder = Holder::of(&world);
    let wanted = format!(
        "DPoP algs=\"{ALGORITHMS}\", error=\"use_dpop_nonce\", error_description=\"the DPoP proof needs this nonce\", {}",
        metadata(&world)
    );
    let nonce_of = |answer: &Answer| answer.header("dpop-nonce").map(str::to_owned);
    let mut nonces = Vec::new();
    for proof in [
        holder.proof(&world),
        holder.proof(&world).nonce("x"),
        holder.proof(&world).nonce(""),
    ] {
        let request = holder.call(&world, &proof);
        let request = request.header("Origin", &world.gateway.url(""));
        let Refused { answer, .. } = refused(&world, request, 401, "nonce_required").await;
        assert_eq!(lines(&answer), [wanted.as_str()]);
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("DPoP-Nonce"), "{exposed}");
        nonces.push(nonce_of(&answer).unwrap());
    }
    let nonce = nonces.last().unwrap();
    for _ in 0..2 {
        let proof = holder.proof(&world).nonce(nonce);
        let answer = holder.answer(&world, &proof).await;
        answer.is(200);
    }
    let proof = holder.proof(&world).nonce(nonce);
    holder.answer(&world, &proof).await.is(200);
    let again = refused(&world, holder.call(&world, &proof), 401, "invalid_proof").await;
    assert!(again.cause().contains("used before"));
    // whoever asks without a token can begin with one
    let plain = world.client().post("/mcp").body("{}").send().await;
    assert!(nonce_of(plain.refused(401, None)).is_some());
    // tokens that are bound to nothing need none
    let bearer = world.client().post("/mcp").body("{}").bearer(world.token());
    assert_eq!(nonce_of(bearer.send().await.is(200)), None);
}

#[tokio::test]
async fn r9449_where_proofs_are_required_no_other_token_counts() {
    let world = world("", &[&route("sender_constrained: required")]).await;
    let holder = Holder::of(&world);
    holder.answer(&world, &holder.proof(&world)).await.is(200);
    let call = || world.client().post("/mcp").call("echo", &Value::Null);
    let metadata = metadata(&world);
    let dpop = format!("DPoP algs=\"{ALGORITHMS}\", {metadata}");
    let bearer = call().bearer(world.token());
    let Refused { answer, .. } = refused(&world, bearer, 401, "proof_required").await;
    let error = "error=\"invalid_token\", error_description=\"the credential was not accepted\"";
    assert_eq!(
        lines(&answer),
        [format!("Bearer {error}, {metadata}"), dpop.clone()]
    );
    let Refused { answer, .. } = refused(&world, call(), 401, "missing_credentials").await;
    assert_eq!(lines(&answer), [format!("Bearer {metadata}"), dpop]);
    let document = "/.well-known/oauth-protected-resource/mcp";
    let document = world.client().get(document).send().await.json();
    assert_eq!(document["dpop_bound_access_tokens_required"], true);
    assert_eq!(
        document["dpop_signing_alg_values_supported"],
        json!(ALGORITHMS.split(' ').collect::<Vec<_>>())
    );
    let known = document.get("tls_client_certificate_bound_access_tokens");
    assert_eq!(known, None);
}
