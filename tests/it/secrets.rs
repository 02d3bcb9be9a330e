//! Secrets come from outside and go nowhere.

use std::fs;

use serde_json::Value;
use testbed::{Gateway, Idp};

use crate::setting::program;
use crate::tree::{files, read};

#[tokio::test]
async fn s0_67_a_secret_in_a_file_is_used_and_shown_nowhere() {
    const PLANTED: &str = "hunter2planted";
    let (idp, folder) = (Idp::start().await, tempfile::tempdir().unwrap());
    let secret = folder.path().join("proxy-password");
    fs::write(&secret, format!("{PLANTED}\n")).unwrap();
    let yaml = format!(
        "server: {{ listen: \"127.0.0.1:0\" }}\n\
         admin: {{ listen: \"127.0.0.1:0\" }}\n\
         logging: {{ level: trace }}\n\
         authenticators: {{ corp: {{ oidc: {{ issuer: \"{}\", start: lazy, proxy: \"http://gate:${{file:{}}}@127.0.0.1:1\" }} }} }}\n\
         routes: [{{ path: /mcp, upstream: \"http://127.0.0.1:9\" }}]\n",
        idp.issuer(),
        secret.display()
    );
    let file = folder.path().join("gateway.yaml");
    let run = async |words: &[&str], yaml: &str| {
        fs::write(&file, yaml).unwrap();
        let launch = words
            .iter()
            .fold(Gateway::launch(program()), testbed::gateway::Launch::arg);
        let ended = launch.arg("-c").arg(&file).finish().await;
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!all.contains(PLANTED), "{words:?}: {all}");
        (ended.code, all)
    };
    let (code, shown) = run(&["check", "--resolved"], &yaml).await;
    assert!(
        code == Some(0) && shown.contains("http://***@127.0.0.1:1"),
        "{shown}"
    );
    for (words, yaml, code) in [
        (&["run"][..], yaml.replace("start: lazy, ", ""), 1),
        // where a file's content lands in a key of another kind, the problem is told without it
        (
            &["check"],
            yaml.replace(
                "level: trace",
                &format!("level: \"${{file:{}}}\"", secret.display()),
            ),
            2,
        ),
        (
            &["run"],
            yaml.replace(
                "path: /mcp",
                &format!("path: \"${{file:{}}}\"", secret.display()),
            ),
            2,
        ),
    ] {
        assert_eq!(run(words, &yaml).await.0, Some(code), "{words:?}");
    }
    let gateway = Gateway::start(program(), &yaml).await;
    gateway.wait_for_log("failed to fetch").await;
    let request = gateway.client().post("/mcp").call("echo", &Value::Null);
    let answer = request.bearer(idp.token()).send().await;
    answer.is(503);
    let metrics = gateway.admin().get("/metrics").send().await;
    for told in [
        gateway.log().join("\n"),
        format!("{answer:?}"),
        metrics.text(),
    ] {
        assert!(!told.contains(PLANTED), "{told}");
    }
}

/// What is wrong with a line of a sample: a secret that is written out.
fn literal_secret(line: &str) -> Option<&str> {
    const NAMES: [&str; 6] = [
        "secret",
        "password",
        "passwd",
        "token",
        "api_key",
        "encryption_key",
    ];
    if line.contains("PRIVATE KEY-----") {
        return Some(line);
    }
    let line = line.trim_start_matches(['#', '-', ' ']);
    let (name, value) = line.split_once([':', '='])?;
    let name = name.trim().to_ascii_lowercase();
    let is_secret = NAMES.iter().any(|known| name.ends_with(known)) && !name.contains(' ');
    let value = value
        .split(" #")
        .next()?
        .trim()
        .trim_matches(['"', '\'', '[', ']', ' ', ',', '}']);
    let is_elsewhere = value.is_empty()
        || value.starts_with("${")
        || value.starts_with('$')
        || value.starts_with('/')
        || value.starts_with('<')
        || value.starts_with('{')
        || matches!(value, "***" | "true" | "false" | "null");
    (is_secret && !is_elsewhere).then_some(line)
}

#[test]
fn s0_67_no_sample_holds_a_secret() {
    let mut samples = files("deploy");
    samples.extend(files("docs"));
    samples.extend(["gateway.yaml".into(), "README.md".into()]);
    assert!(samples.len() > 10, "{samples:?}");
    for path in samples {
        for line in read(&path).lines() {
            assert_eq!(literal_secret(line), None, "{}", path.display());
        }
    }
}

#[test]
fn s0_67_a_literal_secret_is_noticed() {
    for bad in [
        "client_secret: abc",
        "  #password: \"hunter2\"",
        "- ADMIN_TOKEN=abc",
        "JWT_SECRET='x'",
        "encryption_key: [base64:AAAA]",
        "-----BEGIN PRIVATE KEY-----",
    ] {
        assert!(literal_secret(bad).is_some(), "{bad}");
    }
    for good in [
        "client_secret: \"${SECRET}\"",
        "token: \"${file:/run/secrets/token}\" # of the admin",
        "private_key: /tls/tls.key",
        "automountServiceAccountToken: false",
        "secret: { secretName: tls }",
        "Tokens are made for this: see below",
    ] {
        assert_eq!(literal_secret(good), None, "{good}");
    }
}
