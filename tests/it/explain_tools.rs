//! `portcullis explain --method --tool`: which rule speaks of a tool, and what it asks for (S0-71).

use serde_json::Value;
use testbed::gateway::Finished;
use testbed::{Gateway, Idp};

use crate::setting::program;

const CONFIG: &str = r#"
server: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
authenticators:
  corp: { oidc: { issuer: "{idp}", audiences: [mcp] } }
routes:
  - path: /mcp
    upstream: "http://127.0.0.1:3000/mcp"
    auth: { required_scopes: [mcp], challenge_path: /login }
    access:
      discovery: public
      public_tools: [greeting]
      tools:
        - { match: ["delete_*", "*_forever"], scopes: [admin] }
        - { match: deploy, groups: [ops, platform] }
        - { match: shutdown, deny: true }
        - { match: "read_*" }
{more}
"#;

struct Desk {
    idp: Idp,
    home: tempfile::TempDir,
}

impl Desk {
    async fn new(more: &str) -> Self {
        let (idp, home) = (Idp::start().await, tempfile::tempdir().unwrap());
        let yaml = CONFIG
            .replace("{idp}", idp.issuer())
            .replace("{more}", more);
        std::fs::write(home.path().join("gateway.yaml"), yaml).unwrap();
        Self { idp, home }
    }

    async fn ask(&self, route: &str, words: &[&str], token: Option<String>) -> Finished {
        let launch = Gateway::launch(program()).arg("explain").arg("-c");
        let launch = launch.arg(self.home.path().join("gateway.yaml"));
        let launch = launch.arg("--route").arg(route).arg("--json");
        let launch = words.iter().fold(launch, |launch, word| launch.arg(*word));
        match token {
            Some(token) => launch.arg("--token").arg("-").stdin(&token).finish().await,
            None => launch.finish().await,
        }
    }

    /// The last stage and its mark, its words, and how it ends: `allowed`, or status and reason.
    async fn told(&self, words: &[&str], token: Option<String>) -> (String, String, String) {
        let told = self.ask("/mcp", words, token).await;
        let whole: Value = serde_json::from_str(&told.stdout).unwrap();
        let last = whole["stages"].as_array().unwrap().last().unwrap();
        let text = |key: &str| last[key].as_str().unwrap().to_owned();
        let end = if whole["allowed"] == true {
            assert_eq!(told.code, Some(0));
            "allowed".into()
        } else {
            assert_eq!(told.code, Some(1));
            let refusal = &whole["refusal"];
            format!(
                "{} {}",
                refusal["status"],
                refusal["reason"].as_str().unwrap()
            )
        };
        (
            format!("{} {}", text("stage"), text("mark")),
            text("text"),
            end,
        )
    }
}

#[tokio::test]
async fn s0_71_a_call_is_explained_by_the_rule_that_speaks_of_the_tool() {
    let desk = Desk::new("").await;
    let token = |scopes: &str| Some(desk.idp.token().audience("mcp").scope(scopes).sign());
    let deletes = "access.tools[0] (delete_*, *_forever) names it; it needs [admin mcp]";
    let deploys =
        "access.tools[1] (deploy) names it, for one of the groups ops, platform; it needs [mcp]";
    for (tool, token, mark, text, end) in [
        (
            "delete_x",
            token("mcp"),
            "refused",
            deletes,
            "403 insufficient_scope",
        ),
        ("Delete_X", token("mcp admin"), "passed", deletes, "allowed"),
        (
            "delete_x",
            None,
            "refused",
            deletes,
            "401 missing_credentials",
        ),
        (
            "deploy",
            token("mcp admin"),
            "refused",
            deploys,
            "403 not_permitted",
        ),
        (
            "shutdown",
            token("mcp"),
            "refused",
            "access.tools[2] (shutdown) denies it",
            "403 not_permitted",
        ),
        (
            "read_x",
            token("mcp"),
            "passed",
            "access.tools[3] (read_*) names it; it needs [mcp]",
            "allowed",
        ),
        (
            "unheard_of",
            token("mcp"),
            "refused",
            "no rule names the tool",
            "403 not_permitted",
        ),
        (
            "a b",
            token("mcp"),
            "refused",
            "the name of the tool is none that rules can speak of",
            "403 not_permitted",
        ),
        (
            "greeting",
            None,
            "passed",
            "it is one of public_tools; nobody needs a credential for it",
            "allowed",
        ),
        (
            "greeting",
            token("other"),
            "passed",
            "it is one of public_tools; nobody needs a credential for it",
            "allowed",
        ),
    ] {
        let told = desk.told(&["--tool", tool], token).await;
        let text = format!("tools/call {tool:?}: {text}");
        assert_eq!(told, (format!("tool {mark}"), text, end.into()));
    }
}

#[tokio::test]
async fn s0_71_methods_and_second_paths_are_explained_too() {
    let desk = Desk::new("").await;
    let open = "no rule is for it; nobody needs a credential for it";
    for (method, mark, text, end) in [
        ("tools/list", "passed", open, "allowed"),
        ("initialize", "passed", open, "allowed"),
        (
            "prompts/get",
            "refused",
            "no rule is for it; it needs [mcp]",
            "401 missing_credentials",
        ),
        (
            "x/unheard-of",
            "refused",
            "no rule is for it; it needs [mcp]",
            "401 missing_credentials",
        ),
    ] {
        let told = desk.told(&["--method", method], None).await;
        let text = format!("{method:?}: {text}");
        assert_eq!(told, (format!("method {mark}"), text, end.into()));
    }
    let (stage, _, end) = desk.told(&[], None).await;
    assert_eq!(
        (&*stage, &*end),
        ("route's scopes refused", "401 missing_credentials")
    );
    let at_login = desk.ask("/login", &["--method", "initialize"], None).await;
    assert_eq!(at_login.code, Some(1), "{}", at_login.stdout);
    let token = desk.idp.token().audience("mcp").scope("mcp").sign();
    let at_login = desk
        .ask("/login", &["--method", "initialize"], Some(token))
        .await;
    assert_eq!(at_login.code, Some(0), "{}", at_login.stdout);
}

#[tokio::test]
async fn s0_71_sec_52_a_dry_run_says_what_the_rules_would_say() {
    let desk = Desk::new("      mode: dry_run").await;
    let token = desk.idp.token().audience("mcp").scope("mcp").sign();
    let told = desk.told(&["--tool", "delete_x"], Some(token)).await;
    let text = "rules would refuse it: the token has scopes [mcp], this needs [admin mcp]";
    assert_eq!(told, ("dry_run told".into(), text.into(), "allowed".into()));
}
