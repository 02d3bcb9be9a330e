//! `key`, `key new` and `key hash`: where API keys come from.

use testbed::gateway::{Finished, Launch};
use testbed::{Gateway, Idp, Recorder};

use crate::setting::program;
use crate::tree::read;

async fn key(words: &[&str], stdin: &str) -> Finished {
    let launch = Gateway::launch(program()).arg("key").stdin(stdin);
    words.iter().fold(launch, Launch::arg).finish().await
}

#[tokio::test]
async fn sec_81_key_prints_32_random_bytes() {
    let first = key(&[], "").await;
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""));
    let text = first.stdout.strip_prefix("base64:").unwrap();
    assert_eq!(text.trim_end().len(), 44, "{text}");
    assert_ne!(key(&[], "").await.stdout, first.stdout);
}

#[tokio::test]
async fn sec_81_a_new_key_and_its_hash_belong_together() {
    let made = key(&["new"], "").await;
    assert_eq!(made.code, Some(0));
    let lines: Vec<_> = made.stdout.lines().collect();
    let [first, second] = lines[..] else {
        panic!("{lines:?}");
    };
    let new = first.strip_prefix("key: ").unwrap();
    let stored = second.strip_prefix("hash: ").unwrap();
    assert!(new.starts_with("portcullis_") && new.len() == 60, "{new}");
    assert!(
        stored.starts_with("sha256:") && stored.len() == 71,
        "{stored}"
    );
    assert!(!made.stderr.contains(new) && made.stderr.contains("gateway.yaml"));
    for line in [new.to_owned(), format!("{new}\n"), format!("{new}\r\n")] {
        let hashed = key(&["hash"], &line).await;
        assert_eq!((hashed.code, hashed.stderr.as_str()), (Some(0), ""));
        assert_eq!(hashed.stdout, format!("{stored}\n"));
    }
}

#[tokio::test]
async fn sec_81_key_hash_refuses_what_is_no_key_and_does_not_repeat_it() {
    for (given, told) in [
        ("", "there is no key"),
        ("swordfish", "less than 128 bits"),
        (
            "7f83b1657ff1fc53b92dc18148a1d65",
            "less than 128 bits: about 124",
        ),
        (
            "portcullis_0000000000000000000000000000000000000000000000000",
            "portcullis key new",
        ),
        (
            "sha256:bd693b67061d9d9bcf6eaf652e4b202fd6abd9fd717bf6a9b4b93f1646ff8756",
            "stored form",
        ),
        ("two words that are long enough for anything", "spaces"),
        (
            "7f83b1657ff1fc53b92dc18148a1d65d\nand more\n",
            "more than one line",
        ),
    ] {
        let refused = key(&["hash"], given).await;
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (Some(2), ""),
            "{given}"
        );
        assert!(refused.stderr.contains(told), "{given}: {}", refused.stderr);
        assert!(
            given.is_empty() || !refused.stderr.contains(given),
            "{}",
            refused.stderr
        );
    }
    let hashed = key(&["hash"], "7f83b1657ff1fc53b92dc18148a1d65d\n").await;
    assert_eq!(
        (hashed.code, hashed.stdout.as_str()),
        (
            Some(0),
            "sha256:bd693b67061d9d9bcf6eaf652e4b202fd6abd9fd717bf6a9b4b93f1646ff8756\n"
        )
    );
}

#[tokio::test]
async fn sec_81_a_key_on_the_command_line_is_refused_and_not_repeated() {
    let made = key(&["new"], "").await.stdout;
    let new = made.lines().next().unwrap().strip_prefix("key: ").unwrap();
    for words in [
        vec!["hash", new],
        vec!["hash", "--key", new],
        vec![new],
        vec!["new", new],
    ] {
        let refused = key(&words, "").await;
        assert_eq!((refused.code, &*refused.stdout), (Some(2), ""), "{words:?}");
        assert!(!refused.stderr.contains(new), "{}", refused.stderr);
    }
    let program = || Gateway::launch(program());
    for launch in [
        program().arg(new),
        program().arg("token").arg(new),
        program().arg("token").arg("--ttl").arg(new),
        program().arg("explain").arg("--route").arg("/mcp").arg(new),
        program().arg(format!("--token={new}")),
    ] {
        let refused = launch.finish().await;
        assert_eq!((refused.code, &*refused.stdout), (Some(2), ""));
        assert!(!refused.stderr.contains(new), "{}", refused.stderr);
        let is_told = refused
            .stderr
            .contains("One that stood there should be replaced");
        assert_eq!(
            is_told,
            refused.stderr.contains("***"),
            "{}",
            refused.stderr
        );
    }
    let address = "http://127.0.0.1:3000/mcp";
    let address = program().arg("run").arg(address).finish().await.stderr;
    assert!(address.contains("'http://127.0.0.1:3000/mcp'"), "{address}");
    let slip = program().arg("chek").finish().await;
    assert!(slip.stderr.contains("'chek'"), "{}", slip.stderr);
}

/// The first block of this kind below a heading of the README.
fn block(heading: &str, kind: &str) -> String {
    let readme = read("README.md");
    let section = readme.split(heading).nth(1).unwrap();
    let block = section.split(&format!("```{kind}\n")).nth(1).unwrap();
    block.split("```").next().unwrap().to_owned()
}

#[tokio::test]
async fn s3_43_the_commands_of_the_readme_hand_out_a_key() {
    let commands = block("## A key for a program\n", "sh");
    let written = block("## A key for a program\n", "yaml fragment");
    let folder = tempfile::tempdir().unwrap();
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let (made, called) = commands.split_at(commands.find("curl").unwrap());
    let shell = |script: String| {
        let path = program().parent().unwrap().display();
        let mut shell = tokio::process::Command::new("/bin/sh");
        shell.arg("-euc").arg(script).current_dir(folder.path());
        shell
            .env_clear()
            .env("PATH", format!("{path}:/usr/bin:/bin"));
        shell
    };
    let key = shell(format!("{made}printf %s \"$KEY\""))
        .output()
        .await
        .unwrap();
    let key = String::from_utf8(key.stdout).unwrap();
    let hash = folder.path().join("ci.hash").display().to_string();
    let corp = format!(
        "authenticators:\n  corp: {{ oidc: {{ issuer: \"{}\" }} }}",
        idp.issuer()
    );
    let config = written
        .replace("authenticators:", &corp)
        .replace("ci.hash", &hash)
        .replace("http://127.0.0.1:3000", &server.url());
    let listeners = "server: { listen: \"127.0.0.1:0\" }\nadmin: { listen: \"127.0.0.1:0\" }\n";
    let gateway = Gateway::start(program(), &format!("{listeners}{config}")).await;
    let called = called.replace("https://mcp.example.com/mcp", &gateway.url("/mcp"));
    let answer = shell(format!("KEY='{key}'\n{called}"))
        .output()
        .await
        .unwrap();
    assert_eq!(answer.stdout, br#"{"recorded":true}"#, "{answer:?}");
    let seen = server.last();
    assert_eq!(seen.header("x-auth-subject"), Some("ci"));
    assert_eq!(seen.header("x-auth-kind"), Some("client"));
    assert!(!String::from_utf8_lossy(&seen.raw_head).contains(&key));
}
