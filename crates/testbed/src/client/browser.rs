//! An MCP client that logs in by itself: from a bare 401 to an access token, as strict as the strictest clients are.

use std::net::SocketAddr;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth::metadata::ServerMetadata;
use oauth::well_known;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{Answer, Client};
use crate::idp::random_id;

/// Where the code would come to; nobody listens there, since the browser only reads the redirect.
const REDIRECT_URI: &str = "http://127.0.0.1:53682/callback";
const REDIRECTS: usize = 10;

/// What a login gave.
#[derive(Clone, Debug)]
pub struct Login {
    pub issuer: String,
    pub client_id: String,
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub scope: Option<String>,
}

/// Logs in at whatever protects this MCP endpoint; the error says which step failed and how.
pub async fn log_in(endpoint: &str) -> Result<Login, String> {
    let (metadata, scope) = protected_resource(endpoint).await?;
    let servers = metadata
        .get("authorization_servers")
        .and_then(Value::as_array);
    let issuer = servers
        .and_then(|servers| servers.first())
        .and_then(Value::as_str)
        .ok_or("no authorization server")?;
    let server = discover(issuer).await?;
    let client_id = register(&server).await?;
    let verifier = random_id() + &random_id();
    let code = authorize(&server, &client_id, &verifier, endpoint, scope.as_deref()).await?;
    let token_endpoint = server
        .token_endpoint
        .as_deref()
        .ok_or("no token endpoint")?;
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "authorization_code")
        .append_pair("client_id", &client_id)
        .append_pair("code", &code)
        .append_pair("redirect_uri", REDIRECT_URI)
        .append_pair("code_verifier", &verifier)
        .append_pair("resource", endpoint)
        .finish();
    let (client, target) = at(token_endpoint)?;
    let request = client
        .post(&target)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form);
    let answer = expect(200, "the token", request.send().await)?.json();
    let text = |member: &str| {
        answer
            .get(member)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    Ok(Login {
        issuer: server.issuer,
        client_id,
        access_token: text("access_token").ok_or("no access token")?,
        refresh_token: text("refresh_token"),
        scope: text("scope"),
    })
}

/// The document of the resource, found through its challenge, and the scopes the challenge asks for.
async fn protected_resource(endpoint: &str) -> Result<(Value, Option<String>), String> {
    let (client, target) = at(endpoint)?;
    let initialize = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "browser", "version": "1"}});
    let refusal = expect(
        401,
        "the first request",
        client
            .post(&target)
            .rpc(1, "initialize", &initialize)
            .send()
            .await,
    )?;
    let challenge = refusal.challenge();
    let url = challenge
        .get("resource_metadata")
        .ok_or("no resource_metadata in the challenge")?;
    let metadata = get_json(url).await?;
    // RFC 9728 section 3.3: another resource's document is of no use
    if metadata.get("resource").and_then(Value::as_str) != Some(endpoint) {
        return Err(format!(
            "the document speaks of {:?}, not of {endpoint}",
            metadata.get("resource")
        ));
    }
    Ok((metadata, challenge.get("scope").cloned()))
}

async fn discover(issuer: &str) -> Result<ServerMetadata, String> {
    for url in well_known::discovery_candidates(issuer) {
        let (client, target) = at(&url)?;
        let answer = client.get(&target).send().await;
        if answer.status != 200 {
            continue;
        }
        let server = ServerMetadata::parse(&answer.body).map_err(|error| error.to_string())?;
        if server.issuer != issuer {
            return Err(format!(
                "{url} speaks of {}, not of {issuer}",
                server.issuer
            ));
        }
        if !server
            .code_challenge_methods_supported
            .iter()
            .any(|method| method == "S256")
        {
            return Err(format!("{url} does not offer S256"));
        }
        return Ok(server);
    }
    Err(format!("no metadata of {issuer}"))
}

async fn register(server: &ServerMetadata) -> Result<String, String> {
    let (client, target) = at(server
        .registration_endpoint
        .as_deref()
        .ok_or("no registration")?)?;
    let wish = json!({
        "client_name": "browser",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    let registered = expect(
        201,
        "the registration",
        client.post(&target).json(&wish).send().await,
    )?
    .json();
    let client_id = registered.get("client_id").and_then(Value::as_str);
    client_id
        .map(str::to_owned)
        .ok_or_else(|| "no client_id".to_owned())
}

/// Walks from the authorization endpoint to our own address and takes the code out of it.
async fn authorize(
    server: &ServerMetadata,
    client_id: &str,
    verifier: &str,
    resource: &str,
    scope: Option<&str>,
) -> Result<String, String> {
    let endpoint = server
        .authorization_endpoint
        .as_deref()
        .ok_or("no authorization endpoint")?;
    let mut url = Url::parse(endpoint).map_err(|error| error.to_string())?;
    let state = random_id();
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", client_id)
        .append_pair("redirect_uri", REDIRECT_URI)
        .append_pair("state", &state)
        .append_pair(
            "code_challenge",
            &URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes())),
        )
        .append_pair("code_challenge_method", "S256")
        .append_pair("resource", resource)
        .extend_pairs(scope.map(|scope| ("scope", scope)));
    for _ in 0..REDIRECTS {
        if url.as_str().starts_with(REDIRECT_URI) {
            let answer = |name: &str| {
                url.query_pairs()
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| value.into_owned())
            };
            if answer("state").as_deref() != Some(state.as_str())
                || answer("iss").is_some_and(|iss| iss != server.issuer)
            {
                return Err(format!("state or iss are not ours: {url}"));
            }
            return answer("code").ok_or_else(|| format!("no code: {url}"));
        }
        let (client, target) = at(url.as_str())?;
        let answer = client.get(&target).send().await;
        let location = answer
            .header("location")
            .ok_or_else(|| format!("stuck at {url}: {}", answer.text()))?;
        url = url.join(location).map_err(|error| error.to_string())?;
    }
    Err(format!("no end of redirects at {url}"))
}

/// Fetches a JSON document.
pub(crate) async fn get_json(url: &str) -> Result<Value, String> {
    let (client, target) = at(url)?;
    Ok(expect(200, url, client.get(&target).send().await)?.json())
}

/// The client and the target for an http URL with a literal address.
fn at(url: &str) -> Result<(Client, String), String> {
    let parsed = Url::parse(url).map_err(|error| format!("{url}: {error}"))?;
    let port = parsed.port_or_known_default().unwrap_or(80);
    let host = parsed.host_str().unwrap_or_default();
    let address = format!(
        "{}:{port}",
        if host == "localhost" {
            "127.0.0.1"
        } else {
            host
        }
    );
    let address: SocketAddr = address
        .parse()
        .map_err(|_| format!("{url}: the browser only goes to literal addresses"))?;
    let (_, after) = url.split_once("://").unwrap_or_default();
    let target = after
        .find(['/', '?'])
        .and_then(|start| after.get(start..))
        .unwrap_or("/");
    let authority = after.split(['/', '?']).next().unwrap_or_default();
    Ok((Client::new(address).with_host(authority), target.to_owned()))
}

fn expect(status: u16, what: &str, answer: Answer) -> Result<Answer, String> {
    if answer.status == status {
        Ok(answer)
    } else {
        Err(format!(
            "{what} gave {} instead of {status}: {}",
            answer.status,
            answer.text()
        ))
    }
}
