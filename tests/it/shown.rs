//! Every configuration that a reader could copy is good.

use std::path::Path;

use testbed::Gateway;

use crate::https;
use crate::own_tokens::SECRET;
use crate::setting::program;
use crate::tree::{files, read};

/// Every ```` ```yaml ```` block of a page with its line. A block that is no whole configuration is marked: ```` ```yaml fragment ````.
fn yaml_blocks(page: &Path, marked: Option<&str>) -> Vec<(usize, String)> {
    let text = read(page);
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match &mut open {
            Some(_) if line.trim_start().starts_with("```") => blocks.extend(open.take()),
            Some((_, block)) => {
                block.push_str(line);
                block.push('\n');
            }
            None => {
                let marks = line.trim_start().strip_prefix("```");
                let mut words = marks.unwrap_or_default().split_whitespace();
                let is_yaml = matches!(words.next(), Some("yaml" | "yml"));
                let is_sought = is_yaml && words.next() == marked;
                open = is_sought.then(|| (number + 1, String::new()));
            }
        }
    }
    blocks
}

/// Runs `check` on a text as a reader would who copied it.
async fn check(name: &str, yaml: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, yaml).unwrap();
    // the one variable that a page asks its reader to set
    let launch = Gateway::launch(program()).env("JWT_SECRET", SECRET);
    let checked = launch.arg("check").arg("-c").arg(&file).finish().await;
    assert_eq!(
        checked.code,
        Some(0),
        "{name} (a part of a configuration is marked ```yaml fragment): {}",
        checked.stderr
    );
    assert_eq!(checked.stderr, "", "{name} is shown without a warning");
}

#[tokio::test]
async fn every_configuration_that_is_shown_is_good() {
    check("gateway.yaml", &read("gateway.yaml")).await;
    let pages = files("").into_iter();
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut shown = 0;
    for page in pages {
        for (line, block) in yaml_blocks(&page, None) {
            check(&format!("{}:{line}", page.display()), &block).await;
            shown += 1;
        }
    }
    assert!(shown > 0, "the README shows one");
}

#[tokio::test]
async fn what_is_shown_for_a_route_is_good_in_one() {
    let route = "\
authenticators: { corp: { oidc: { issuer: https://login.example.com/ } } }
routes:
  - path: /mcp
    upstream: http://127.0.0.1:3000/mcp
";
    let mut shown = Vec::new();
    for page in ["README.md", "docs/contract.md"] {
        for (line, block) in yaml_blocks(Path::new(page), Some("fragment")) {
            let indent = block.len() - block.trim_start().len();
            let key = block.trim_start().split(':').next().unwrap();
            if !matches!(key, "access" | "rate_limit" | "auth") {
                continue; // names files that are not here, or stands elsewhere
            }
            shown.push(key.to_owned());
            let moved: Vec<_> = block
                .lines()
                .map(|it| format!("    {}", &it[indent..]))
                .collect();
            let whole = format!("{route}{}\n", moved.join("\n"));
            check(&format!("{page}:{line}"), &whole).await;
        }
    }
    assert_eq!(shown, ["access", "rate_limit", "access"]);
}

#[tokio::test]
async fn what_the_sample_leaves_to_the_reader_is_good_too() {
    // `#key: value` is a key that could be said; `# words` is a comment
    let sample = read("gateway.yaml");
    let said: Vec<_> = sample
        .lines()
        .map(|line| {
            let indent = line.len() - line.trim_start().len();
            let rest = line.trim_start().strip_prefix('#');
            match rest {
                Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '-') => {
                    format!("{}{rest}", " ".repeat(indent))
                }
                _ => line.to_owned(),
            }
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, said.join("\n")).unwrap();
    let launch = Gateway::launch(program()).arg("check").arg("-c").arg(&file);
    let checked = launch.finish().await;
    // the files it names are on nobody's machine; everything else must be as it should
    let problems = checked
        .stderr
        .lines()
        .skip(1)
        .filter(|line| !line.is_empty() && !line.trim_start().starts_with("hint: "));
    for problem in problems {
        assert!(problem.contains("does not exist"), "{}", checked.stderr);
    }
}

/// What is measured is what is shipped: ordinary configurations, once their places are filled in.
#[tokio::test]
async fn the_benchmark_measures_good_configurations() {
    let folder = https::Authority::new();
    folder.write("tls", &["localhost", "127.0.0.1"], https::GOOD);
    let idp = testbed::Idp::start().await;
    std::fs::write(folder.path("jwks.json"), idp.jwks().to_string()).unwrap();
    let here = folder.path("");
    for name in [
        "portcullis.yaml",
        "portcullis-tls.yaml",
        "portcullis-credentials.yaml",
        "portcullis-policy.yaml",
    ] {
        let name = format!("tests/bench/peers/{name}");
        let mut yaml = read(&name);
        for (place, value) in [
            ("@PORT@", "8080"),
            ("@ADMIN@", "9091"),
            ("@ORIGIN@", "3000"),
            ("@ISSUER@", "https://issuer.example"),
            ("@AUDIENCE@", "https://mcp.example.com/mcp"),
            ("@KEYS@", here.to_str().unwrap()),
            ("@TLS@", here.to_str().unwrap()),
            ("@ENDPOINT@", "3001"),
            (
                "@FEW@",
                r#"[{"match": ["echo", "read_*"], "scopes": ["mcp:call"]}]"#,
            ),
            ("@TEN@", r#"[{"match": "last_*"}]"#),
            ("@MANY@", r#"[{"match": "last_*"}]"#),
            (
                "@SECRET@",
                "7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069",
            ),
            (
                "@HASH@",
                "bd693b67061d9d9bcf6eaf652e4b202fd6abd9fd717bf6a9b4b93f1646ff8756",
            ),
        ] {
            yaml = yaml.replace(place, value);
        }
        check(&name, &yaml).await;
    }
}
