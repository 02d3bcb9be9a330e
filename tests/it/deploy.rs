//! The files of `deploy/`, as far as they can be judged without what they are for. `tests/deploy/run` starts what they describe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testbed::{Gateway, Idp, Recorder};
use toml::Table;

use crate::https::{Authority, GOOD};
use crate::manifests::{FORMS, gateway, list};
use crate::setting::program;
use crate::tree::{files, read};

/// The documents of a YAML file, with merge keys put in.
pub(crate) fn documents(path: impl AsRef<Path>) -> Vec<Value> {
    let text = read(path);
    let documents = serde_yaml::Deserializer::from_str(&text).map(|document| {
        let mut value: serde_yaml::Value = serde::Deserialize::deserialize(document).unwrap();
        value.apply_merge().unwrap();
        serde_json::to_value(value).unwrap()
    });
    documents.filter(|document| !document.is_null()).collect()
}

/// The one document of a file.
pub(crate) fn document(path: &str) -> Value {
    let mut found = documents(path);
    assert_eq!(found.len(), 1, "{path}");
    found.remove(0)
}

/// The configurations, each with the variables that its form hands in.
fn configurations() -> Vec<(PathBuf, Vec<&'static str>)> {
    let configurations: Vec<_> = files("deploy")
        .into_iter()
        .filter(|path| path.ends_with("gateway.yaml"))
        .collect();
    assert_eq!(configurations.len(), 3);
    let variables = |path: &Path| {
        if path.starts_with("deploy/compose") {
            vec!["OAUTH_ISSUER_URL", "PUBLIC_URL"]
        } else {
            Vec::new()
        }
    };
    configurations
        .into_iter()
        .map(|path| (variables(&path), path))
        .map(|(variables, path)| (path, variables))
        .collect()
}

/// What `check --resolved` makes of a configuration. Certificate and key of its trial are others.
pub(crate) async fn resolved(path: &Path, variables: &[&str]) -> Value {
    let authority = Authority::new();
    authority.write("tls", &["localhost", "mcp.example.com"], GOOD);
    let folder = authority.folder.path().to_str().unwrap();
    let key = "hex:8c1f0d6a94e25b73af08d41c6e9b3570e2a7c5f81b460d937ec2f5a81946bd03";
    std::fs::write(authority.path("session.key"), key).unwrap();
    let text = read(path).replace(" /tls/", &format!(" {folder}/"));
    let text = text.replace(":/keys/", &format!(":{folder}/"));
    let file = authority.path("gateway.yaml");
    std::fs::write(&file, text).unwrap();
    let mut launch = Gateway::launch(program()).arg("check").arg("--resolved");
    for name in variables {
        launch = launch.env(name, "https://localhost:8443");
    }
    let checked = launch.arg("-c").arg(&file).finish().await;
    let path = path.display();
    assert_eq!(checked.code, Some(0), "{path}: {}", checked.stderr);
    assert_eq!(checked.stderr, "", "{path} is shown without a warning");
    serde_yaml::from_str(&checked.stdout).unwrap()
}

/// `25s` in seconds.
fn seconds(text: &Value) -> u64 {
    let text = text.as_str().unwrap();
    text.strip_suffix('s').unwrap().parse().unwrap()
}

#[tokio::test]
async fn s0_67_every_configuration_of_a_deployment_is_good() {
    for (path, variables) in configurations() {
        resolved(&path, &variables).await;
    }
    let compose = document("deploy/compose.yaml");
    let handed = compose["services"]["gateway"]["environment"].as_object();
    let handed: Vec<_> = handed.unwrap().keys().collect();
    let (_, variables) = configurations().remove(0);
    assert_eq!(handed, variables);
}

#[tokio::test]
async fn a_drain_ends_before_anybody_loses_patience() {
    for (path, variables) in configurations() {
        let drain = seconds(&resolved(&path, &variables).await["server"]["timeouts"]["drain"]);
        if path.starts_with("deploy/compose") {
            let gateway = &document("deploy/compose.yaml")["services"]["gateway"];
            assert!(drain < seconds(&gateway["stop_grace_period"]));
            let unit = unit();
            let patience = Value::from(format!("{}s", unit["TimeoutStopSec"]));
            assert!(drain < seconds(&patience), "where nothing else is said");
            continue;
        }
        let form = FORMS.into_iter().find(|form| {
            let folder = format!("deploy/kubernetes/{form}");
            path.starts_with(folder)
        });
        let (pod, gateway) = gateway(form.unwrap());
        let sleep = |container: &Value| {
            let sleep = &container["lifecycle"]["preStop"]["sleep"]["seconds"];
            sleep.as_u64().unwrap()
        };
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(sleep(&gateway) + drain < grace, "{form:?}");
        let beside = list(&pod["containers"]).filter(|other| **other != gateway);
        for other in beside {
            assert!(sleep(other) >= sleep(&gateway) + drain, "{form:?}");
            assert!(sleep(other) < grace, "{form:?}");
        }
    }
}

/// The settings of the unit that stand there once.
fn unit() -> BTreeMap<String, String> {
    let text = read("deploy/portcullis.service");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn every_file_has_its_place_on_the_page() {
    let page = read("deploy/README.md");
    for path in files("deploy") {
        let path = path.strip_prefix("deploy").unwrap().to_str().unwrap();
        assert!(
            path == "README.md" || page.contains(&format!("]({path})")) || is_made_by_hand(path),
            "{path} is not linked in deploy/README.md"
        );
    }
    for target in page.split("](").skip(1) {
        let target = target.split(')').next().unwrap();
        let exists = crate::tree::root().join("deploy").join(target).exists();
        assert!(exists, "{target} does not exist");
    }
    assert!(read("README.md").contains("(deploy/README.md)"));
}

/// What somebody who followed the page has there.
fn is_made_by_hand(path: &str) -> bool {
    path.starts_with("compose/tls/")
}

/// The value behind the first line that begins so.
#[track_caller]
fn line(text: &str, begin: &str) -> String {
    let found = text.lines().find_map(|line| line.strip_prefix(begin));
    found
        .unwrap_or_else(|| panic!("no line begins with {begin}"))
        .to_owned()
}

#[test]
fn what_is_said_in_several_files_is_the_same() {
    let dockerfile = read("deploy/Dockerfile");
    let toolchain: Table = read("rust-toolchain.toml").parse().unwrap();
    let channel = toolchain["toolchain"]["channel"].as_str().unwrap();
    let compiler = line(&dockerfile, "FROM rust:");
    assert!(compiler.starts_with(&format!("{channel}-")), "{compiler}");

    let workspace: Table = read("Cargo.toml").parse().unwrap();
    let version = workspace["workspace"]["package"]["version"]
        .as_str()
        .unwrap();
    let tag = format!("portcullis:{version}");
    assert!(dockerfile.contains(&format!("image.version=\"{version}\"")));
    assert!(dockerfile.contains(&format!("--tag {tag} ")));
    assert!(read("deploy/README.md").contains(&format!("--tag {tag} ")));
    let compose = document("deploy/compose.yaml");
    assert_eq!(compose["services"]["gateway"]["image"], tag);

    let user = line(&dockerfile, "USER ");
    let variable = line(&dockerfile, "ENV PORTCULLIS_CONFIG=");
    assert_eq!(
        unit()["Environment"],
        format!("PORTCULLIS_CONFIG={variable}")
    );
    let folder = variable.strip_suffix("/gateway.yaml").unwrap();
    for form in FORMS {
        let kustomization = document(&format!("deploy/kubernetes/{form}/kustomization.yaml"));
        let mut images = list(&kustomization["images"]);
        let image = images.find(|image| image["name"] == "portcullis").unwrap();
        assert_eq!(image["newTag"], version);
        let (pod, gateway) = gateway(form);
        let own = &gateway["securityContext"]["runAsUser"];
        let uid = own
            .as_u64()
            .or(pod["securityContext"]["runAsUser"].as_u64());
        assert_eq!(user, format!("{0}:{0}", uid.unwrap()));
        let mut mounts = list(&gateway["volumeMounts"]);
        assert!(mounts.any(|mount| mount["mountPath"] == folder));
    }

    let everything = "@modelcontextprotocol/server-everything";
    let tested: Value = serde_json::from_str(&read("tests/e2e/package.json")).unwrap();
    let tested = tested["dependencies"][everything].as_str().unwrap();
    let built = &compose["services"]["server"]["build"]["dockerfile_inline"];
    assert!(
        built
            .as_str()
            .unwrap()
            .contains(&format!("{everything}@{tested}\n"))
    );
}

/// The texts under keys that speak of secrets and are neither a reference nor a path, at any depth.
fn secrets(value: &Value) -> Vec<String> {
    const WORDS: [&str; 5] = ["password", "secret", "token", "apikey", "privatekey"];
    let speaks = |name: &str| {
        let name = name.to_lowercase().replace(['_', '-'], "");
        WORDS.iter().any(|word| name.contains(word)) && name != "secretname"
    };
    let said =
        |text: &str| (!text.starts_with("${") && !text.starts_with('/')).then(|| text.into());
    match value {
        Value::Object(members) => {
            let named = members.get("name").and_then(Value::as_str);
            let named = named.filter(|name| speaks(name));
            let named = named.and_then(|_| members.get("value")?.as_str());
            let own = members.iter().filter(|(name, _)| speaks(name));
            let texts = own.filter_map(|(_, value)| value.as_str()).chain(named);
            let deeper = members.values().flat_map(secrets);
            texts.filter_map(said).chain(deeper).collect()
        }
        Value::Array(items) => items.iter().flat_map(secrets).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[test]
fn s0_67_a_secret_in_a_deployment_is_noticed() {
    for bad in [
        r#"{"a": [{"client_secret": "hunter2"}]}"#,
        r#"{"env": [{"name": "API_KEY", "value": "hunter2"}]}"#,
        r#"{"data": {"privateKey": "hunter2"}}"#,
    ] {
        let value: Value = serde_json::from_str(bad).unwrap();
        assert_eq!(secrets(&value), ["hunter2"], "{bad}");
    }
    let fine = r#"{"token": "${file:/run/secrets/token}", "private_key": "/tls/tls.key"}"#;
    assert_eq!(secrets(&serde_json::from_str(fine).unwrap()), [""; 0]);
}

#[test]
fn s0_67_no_secret_stands_in_a_deployment() {
    for path in files("deploy") {
        if is_made_by_hand(path.strip_prefix("deploy").unwrap().to_str().unwrap()) {
            continue;
        }
        let text = read(&path);
        for unwanted in ["-----BEGIN", "stringData", "eyJ", "kind: Secret\n"] {
            assert!(!text.contains(unwanted), "{unwanted} in {}", path.display());
        }
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let said: Vec<_> = documents(&path).iter().flat_map(secrets).collect();
            assert_eq!(said, [""; 0], "in {}", path.display());
        }
    }
    assert!(read("deploy/compose/tls/.gitignore").contains("\n*\n"));
}

/// In production issuer and audience come from the environment, and calling and listing want a token alike.
#[tokio::test]
async fn s0_65_issuer_and_audience_come_from_the_environment() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let yaml = format!(
        "server: {{ listen: \"127.0.0.1:0\" }}\n\
         admin: {{ listen: \"127.0.0.1:0\" }}\n\
         authenticators: {{ corp: {{ oidc: {{ issuer: \"${{JWT_ISSUER}}\" }} }} }}\n\
         routes: [{{ path: /mcp, upstream: \"{}/mcp\", auth: {{ audiences: [\"${{JWT_AUDIENCE}}\"] }} }}]\n",
        server.url()
    );
    let launch = Gateway::launch(program()).config(&yaml);
    let launch = launch.env("JWT_ISSUER", idp.issuer());
    let gateway = launch.env("JWT_AUDIENCE", "mcp-api").start().await;
    for method in ["tools/list", "tools/call"] {
        let ask = || gateway.client().post("/mcp").rpc(1, method, &Value::Null);
        let token = idp.token().audience("mcp-api");
        assert_eq!(ask().bearer(token).send().await.status, 200, "{method}");
        let other = idp.token().audience("another");
        assert_eq!(ask().bearer(other).send().await.status, 401, "{method}");
        assert_eq!(ask().send().await.status, 401, "{method}");
    }
    assert_eq!(server.requests(), 2);
}
