//! The manifests of `deploy/kubernetes` and the Compose file: what containers may do, and whether what is named is there. The API schemas
//! are asked by `tests/deploy/run`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::deploy::{document, documents, resolved};
use crate::tree::files;

/// What one folder of manifests describes, by kind.
fn manifests(form: &str) -> BTreeMap<String, Vec<Value>> {
    let folder = format!("deploy/kubernetes/{form}");
    let mut manifests: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let names = files(&folder).into_iter();
    for path in names.filter(|path| !path.ends_with("gateway.yaml")) {
        for document in documents(path) {
            let kind = document["kind"].as_str().unwrap().to_owned();
            manifests.entry(kind).or_default().push(document);
        }
    }
    manifests
}

/// The folders below `deploy/kubernetes`.
pub(crate) const FORMS: [&str; 2] = ["edge", "sidecar"];

/// The items of a list, or none where there is no list.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The containers of the deployments of a form, each with its pod.
fn containers(form: &str) -> Vec<(Value, Value)> {
    let pods = manifests(form).remove("Deployment").unwrap().into_iter();
    let pods = pods.map(|deployment| deployment["spec"]["template"]["spec"].clone());
    pods.flat_map(|pod| {
        let containers: Vec<_> = list(&pod["containers"]).cloned().collect();
        containers
            .into_iter()
            .map(move |container| (pod.clone(), container))
    })
    .collect()
}

/// The gateway of a form, behind its pod.
pub(crate) fn gateway(form: &str) -> (Value, Value) {
    let mut found = containers(form).into_iter();
    found
        .find(|(_, container)| container["name"] == "gateway")
        .unwrap()
}

#[test]
fn no_container_can_do_more_than_it_needs() {
    for form in FORMS {
        for (pod, container) in containers(form) {
            let what = format!("{form}: {}", container["name"]);
            assert_eq!(pod["automountServiceAccountToken"], false, "{what}");
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{what}");
            let profile = &pod["securityContext"]["seccompProfile"]["type"];
            assert_eq!(profile, "RuntimeDefault", "{what}");
            let own = &container["securityContext"];
            assert_eq!(own["allowPrivilegeEscalation"], false, "{what}");
            assert_eq!(own["readOnlyRootFilesystem"], true, "{what}");
            assert_eq!(own["capabilities"]["drop"][0], "ALL", "{what}");
            let resources = &container["resources"];
            assert!(resources["requests"]["cpu"].is_string(), "{what}");
            assert!(resources["requests"]["memory"].is_string(), "{what}");
            assert!(resources["limits"]["memory"].is_string(), "{what}");
            let mut mounts = list(&container["volumeMounts"]);
            let no_later_change_is_seen = mounts.any(|mount| mount.get("subPath").is_some());
            assert!(!no_later_change_is_seen, "{what}");
        }
    }
    let compose = document("deploy/compose.yaml");
    for (name, service) in compose["services"].as_object().unwrap() {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"][0], "ALL", "{name}");
        assert_eq!(
            service["security_opt"][0], "no-new-privileges:true",
            "{name}"
        );
        let ports = list(&service["ports"]).map(|port| port.as_str().unwrap());
        for port in ports {
            assert_eq!(name, "gateway");
            assert!(port.starts_with("127.0.0.1:"), "{port}");
        }
    }
    assert_eq!(compose["networks"]["inside"]["internal"], true);
    let server = &compose["services"]["server"]["networks"];
    assert_eq!(server, &serde_json::json!(["inside"]));
}

/// 9 MiB idle, what remembered credentials may take, and 41 KiB for each connection.
#[tokio::test]
async fn what_the_limits_allow_fits_into_the_memory() {
    for form in FORMS {
        let path = format!("deploy/kubernetes/{form}/gateway.yaml");
        let resolved = resolved(Path::new(&path), &[]).await;
        let cache = resolved["credential_cache"].as_str().unwrap();
        let cache: u64 = cache.strip_suffix("MiB").unwrap().parse().unwrap();
        let connections = &resolved["server"]["limits"]["connections"];
        let connections = connections.as_u64().unwrap();
        let needed = 9 + cache + connections * 41 / 1024;
        let (_, gateway) = gateway(form);
        let limit = gateway["resources"]["limits"]["memory"].as_str().unwrap();
        let limit: u64 = limit.strip_suffix("Mi").unwrap().parse().unwrap();
        assert!(needed < limit, "{form}: {needed} MiB of {limit}");
    }
}

/// What stands under this key, at any depth: in labels and in selectors alike.
fn labels<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    match value {
        Value::Object(members) => {
            let own = members.get(key).and_then(Value::as_str);
            let deeper = members.values().flat_map(|value| labels(value, key));
            own.into_iter().chain(deeper).collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| labels(item, key)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// A selector or a port that names nothing is no error for a cluster; it selects nothing.
#[test]
fn what_manifests_name_is_there() {
    for form in FORMS {
        let manifests = manifests(form);
        let label = "app.kubernetes.io/name";
        let deployments = &manifests["Deployment"];
        let ports: BTreeMap<&str, BTreeSet<String>> = deployments
            .iter()
            .map(|deployment| {
                let template = &deployment["spec"]["template"];
                let name = template["metadata"]["labels"][label].as_str().unwrap();
                let containers = list(&template["spec"]["containers"]);
                let ports = containers.flat_map(|container| list(&container["ports"]));
                let words = ports.flat_map(|port| {
                    let number = port["containerPort"].as_u64().unwrap().to_string();
                    [port["name"].as_str().unwrap().to_owned(), number]
                });
                (name, words.collect())
            })
            .collect();
        let offers = |name: &Value, port: &Value| {
            let port = port
                .as_str()
                .map_or_else(|| port.to_string(), str::to_owned);
            let found = &ports[name.as_str().unwrap()];
            assert!(found.contains(&port), "{form}: {name} has no port {port}");
        };
        for service in &manifests["Service"] {
            for port in list(&service["spec"]["ports"]) {
                offers(&service["spec"]["selector"][label], &port["targetPort"]);
            }
        }
        for policy in &manifests["NetworkPolicy"] {
            let spec = &policy["spec"];
            for port in list(&spec["ingress"]).flat_map(|rule| list(&rule["ports"])) {
                offers(&spec["podSelector"]["matchLabels"][label], &port["port"]);
            }
            for rule in list(&spec["egress"]) {
                let to = &rule["to"][0]["podSelector"]["matchLabels"][label];
                if to.is_string() {
                    offers(to, &rule["ports"][0]["port"]);
                }
            }
        }
        for name in manifests
            .values()
            .flatten()
            .flat_map(|of| labels(of, label))
        {
            assert!(ports.contains_key(name), "{form}: no pod is a {name}");
        }
        for scaler in &manifests["HorizontalPodAutoscaler"] {
            let target = &scaler["spec"]["scaleTargetRef"]["name"];
            let mut named = deployments
                .iter()
                .filter(|deployment| deployment["metadata"]["name"] == *target);
            let scaled = named.next().unwrap();
            assert!(scaled["spec"].get("replicas").is_none(), "{form}: one says");
        }
        let listed = &manifests["Kustomization"][0]["resources"];
        let listed: BTreeSet<_> = list(listed).map(|file| file.as_str().unwrap()).collect();
        let there = files(&format!("deploy/kubernetes/{form}"));
        let there = there.iter().map(|path| path.file_name().unwrap());
        let there = there.map(|name| name.to_str().unwrap());
        let others = ["gateway.yaml", "kustomization.yaml"];
        assert_eq!(
            listed,
            there.filter(|name| !others.contains(name)).collect()
        );
    }
}
