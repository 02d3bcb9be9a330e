//! `key`, `key new` and `key hash`: where API keys come from.

use testbed::Gateway;
use testbed::gateway::{Finished, Launch};

use crate::setting::program;

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
