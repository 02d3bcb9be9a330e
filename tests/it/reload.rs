//! Another configuration while the gateway serves: taken as a whole, or not at all. What becomes of open streams is in
//! `reload_streams`.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use testbed::client::{Connection, Request};
use testbed::{Gateway, Idp, Recorder, Reply, World};

use crate::https::{Authority, GOOD, shown};
use crate::setting::program;
use crate::support::{MCP, OPEN, config};

const TAKEN: &str = "configuration reloaded";
const REFUSED: &str = "configuration not reloaded";

/// One route to the upstream, with more keys of its own like `", auth: { … }"`.
pub(crate) fn route(more: &str) -> String {
    let route = format!(r#"{{ path: /mcp, upstream: "{{upstream}}/mcp"{more} }}"#);
    config("", &[&route])
}

/// The same, for callers with this scope.
pub(crate) fn needing(scope: &str) -> String {
    route(&format!(", auth: {{ required_scopes: [{scope}] }}"))
}

/// The same, with more keys of the one authenticator.
fn judging(more: &str) -> String {
    route("").replace(", leeway: 0s", &format!(", leeway: 0s{more}"))
}

/// Replaces the file and waits until one has been taken for the `nth` time.
pub(crate) async fn reloaded(world: &World, template: &str, nth: usize) {
    world.rewrite(template);
    world.gateway.wait_for_nth_log(TAKEN, nth).await;
}

/// Replaces the file and waits until one has been refused for the `nth` time; why.
async fn refused(world: &World, template: &str, nth: usize) -> String {
    world.rewrite(template);
    let line = world.gateway.wait_for_nth_log(REFUSED, nth).await;
    let entry: Value = serde_json::from_str(&line).unwrap();
    entry["cause"].as_str().unwrap().to_owned()
}

/// How many reloads ended so.
async fn counted(world: &World, result: &str) -> Option<usize> {
    let metrics = world.gateway.admin().get("/metrics").send().await.text();
    let name = format!("portcullis_config_reloads_total{{result=\"{result}\"}} ");
    let mut lines = metrics.lines();
    lines.find_map(|line| line.strip_prefix(&name)?.parse().ok())
}

fn call(gateway: &Gateway, token: impl Into<String>) -> Request {
    let call = gateway.client().post("/mcp").call("echo", &Value::Null);
    call.bearer(token)
}

/// A call of somebody with this scope.
pub(crate) fn scoped(world: &World, scope: &str) -> Request {
    call(&world.gateway, world.token().scope(scope))
}

#[tokio::test]
async fn a_changed_file_is_taken_and_sighup_takes_it_in_any_case() {
    let world = World::start(program(), &needing("one")).await;
    scoped(&world, "one").send().await.is(200);
    assert_eq!(counted(&world, "ok").await, None);
    reloaded(&world, &needing("two"), 1).await;
    scoped(&world, "one").send().await.is(403);
    scoped(&world, "two").send().await.is(200);
    world.gateway.signal("HUP").await;
    world.gateway.wait_for_nth_log(TAKEN, 2).await;
    scoped(&world, "two").send().await.is(200);
    assert_eq!(counted(&world, "ok").await, Some(2));
    assert_eq!(counted(&world, "refused").await, None);
    // a route that is new says what it is, one that is gone that it is
    let two = needing("two").replace("path: /mcp", "path: /other");
    reloaded(&world, &two, 3).await;
    world.gateway.wait_for_log("route removed").await;
    scoped(&world, "two").send().await.is(404);
    let told = world.gateway.log();
    let routes = told
        .iter()
        .filter(|line| line.contains("\"route\",\"route\""));
    assert_eq!(routes.count(), 3, "{told:#?}");
}

#[tokio::test]
async fn trap_13_a_mounted_file_is_replaced_behind_its_links() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let folder = tempfile::tempdir().unwrap();
    let version = |name: &str, template: &str| {
        let yaml = template
            .replace("{idp}", idp.issuer())
            .replace("{upstream}", &server.url());
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("gateway.yaml"), yaml).unwrap();
        let link = folder.path().join("..tmp");
        std::os::unix::fs::symlink(name, &link).unwrap();
        std::fs::rename(link, folder.path().join("..data")).unwrap();
    };
    version("..1", &needing("one"));
    let file = folder.path().join("gateway.yaml");
    std::os::unix::fs::symlink("..data/gateway.yaml", &file).unwrap();
    let launch = Gateway::launch(program()).arg("run").arg("-c").arg(&file);
    let gateway = launch.start().await;
    let token = || idp.token().audience(&gateway.url("/mcp")).scope("two");
    call(&gateway, token()).send().await.is(403);
    version("..2", &needing("two"));
    std::fs::remove_dir_all(folder.path().join("..1")).unwrap();
    gateway.wait_for_nth_log(TAKEN, 1).await;
    call(&gateway, token()).send().await.is(200);
    version("..3", &needing("three"));
    std::fs::remove_dir_all(folder.path().join("..2")).unwrap();
    gateway.wait_for_nth_log(TAKEN, 2).await;
    call(&gateway, token()).send().await.is(403);
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_told_once_as_check_tells_it() {
    let world = World::start(program(), &needing("one")).await;
    let good = needing("two");
    let broken = [
        good.replace("routes:", "routes: ]["),
        good.replace("path: /mcp", "pfad: /mcp, upstream: \"${NOWHERE}\""),
        good.replace("required_scopes", "accept: [nobody], required_scopes"),
    ];
    for (count, template) in (1..).zip(&broken) {
        let cause = refused(&world, template, count).await;
        let file = world.gateway.config_path();
        let check = Gateway::launch(program()).arg("check").arg("-c").arg(file);
        let said = check.finish().await;
        assert_eq!((said.code, said.stderr.trim_end()), (Some(2), &*cause));
        scoped(&world, "one").send().await.is(200);
        scoped(&world, "two").send().await.is(403);
    }
    assert_eq!(counted(&world, "refused").await, Some(3));
    // the same text again is not judged again
    world.rewrite(&broken[2]);
    reloaded(&world, &good, 1).await;
    assert_eq!(counted(&world, "refused").await, Some(3));
    std::fs::remove_file(world.gateway.config_path()).unwrap();
    world.gateway.wait_for_nth_log(REFUSED, 4).await;
    scoped(&world, "two").send().await.is(200);
}

#[tokio::test]
async fn whatever_the_file_is_made_of_is_watched() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &path).unwrap();
        path
    };
    let env_file = write("gateway.env", "SCOPE=one\n");
    let audience = write("audience", "api://one\n");
    let yaml =
        route(", auth: { required_scopes: [\"${SCOPE}\"], audiences: [\"${file:AUDIENCE}\"] }")
            .replace("AUDIENCE", audience.to_str().unwrap())
            .replace("{idp}", idp.issuer())
            .replace("{upstream}", &server.url());
    let launch = Gateway::launch(program()).config(&yaml).arg("--env-file");
    let gateway = launch.arg(&env_file).start().await;
    let ask = async |audience: &str, scope: &str| {
        let token = idp.token().audience(audience).scope(scope);
        call(&gateway, token).send().await.status
    };
    assert_eq!(ask("api://one", "one").await, 200);
    write("audience", "api://two\n");
    gateway.wait_for_nth_log(TAKEN, 1).await;
    assert_eq!(ask("api://one", "one").await, 401);
    assert_eq!(ask("api://two", "one").await, 200);
    write("gateway.env", "SCOPE=two\n");
    gateway.wait_for_nth_log(TAKEN, 2).await;
    assert_eq!(ask("api://two", "one").await, 403);
    assert_eq!(ask("api://two", "two").await, 200);
}

#[tokio::test]
async fn sec_12_a_key_file_that_changes_counts_at_once() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    let publish = || std::fs::write(&keys, idp.jwks().to_string()).unwrap();
    publish();
    let yaml = route("").replace(
        "oidc: { issuer: \"{idp}\"",
        &format!(
            "jwks: {{ issuer: \"{{idp}}\", jwks_file: \"{}\"",
            keys.display()
        ),
    );
    let yaml = yaml
        .replace("{idp}", idp.issuer())
        .replace("{upstream}", &server.url());
    let gateway = Gateway::start(program(), &yaml).await;
    let token = idp.token().audience(&gateway.url("/mcp")).sign();
    call(&gateway, &token).send().await.is(200);
    idp.rotate_keys();
    publish();
    gateway.wait_for_nth_log(TAKEN, 1).await;
    while call(&gateway, &token).send().await.status != 401 {} // the file is read beside the reload
}

#[tokio::test]
async fn sec_12_keys_are_not_fetched_again_for_an_authenticator_that_is_the_same() {
    let world = World::start(program(), &needing("one")).await;
    let fetched = || world.idp.fetches("/jwks");
    assert_eq!(fetched(), 1);
    for (count, scope) in (1..).zip(["two", "three", "two"]) {
        reloaded(&world, &needing(scope), count).await;
        scoped(&world, scope).send().await.is(200);
    }
    assert_eq!(fetched(), 1);
    reloaded(&world, &judging(", cache: 1h"), 4).await;
    assert_eq!(fetched(), 2);
}

#[tokio::test]
async fn sec_12_what_another_authenticator_accepted_is_not_believed_by_the_changed_one() {
    let world = World::start(program(), &judging("")).await;
    let token = world.token().sign();
    call(&world.gateway, &token).send().await.is(200);
    reloaded(&world, &judging(", max_token_lifetime: 10s"), 1).await;
    call(&world.gateway, &token).send().await.is(401);
    reloaded(&world, &judging(""), 2).await;
    call(&world.gateway, &token).send().await.is(200);
}

#[tokio::test]
async fn s4_8_a_new_authenticator_that_cannot_be_reached_refuses_the_reload() {
    let world = World::start(program(), &needing("one")).await;
    let gone = Idp::start().await;
    let issuer = gone.issuer().to_owned();
    drop(gone);
    let new = format!("new: {{ oidc: {{ issuer: \"{issuer}\" }} }}, corp: {{ oidc");
    let two = needing("two").replace("auth: {", "auth: { accept: [corp],");
    let cause = refused(&world, &two.replace("corp: { oidc", &new), 1).await;
    assert!(
        cause.contains("failed to fetch OIDC discovery document"),
        "{cause}"
    );
    scoped(&world, "one").send().await.is(200);
    assert_eq!(counted(&world, "refused").await, Some(1));
}

#[tokio::test]
async fn what_has_begun_ends_as_it_began_and_the_next_request_goes_where_the_new_file_says() {
    let world = World::start(program(), &route("")).await;
    let other = Recorder::start().await;
    world
        .server
        .answer(Reply::status(201).after(Duration::from_secs(2)));
    other.answer(Reply::status(202));
    let request = scoped(&world, "any").to_bytes();
    let mut begun = Connection::open(world.gateway.address()).await;
    let mut open = Connection::open(world.gateway.address()).await;
    begun.write(&request).await;
    world.server.wait_for(1).await;
    reloaded(&world, &route("").replace("{upstream}", &other.url()), 1).await;
    open.write(&request).await;
    open.answer().await.unwrap().is(202);
    begun.answer().await.unwrap().is(201);
    begun.write(&request).await;
    begun.answer().await.unwrap().is(202);
    assert_eq!((world.server.requests(), other.requests()), (1, 2));
}

#[tokio::test]
async fn sec_81_what_is_decided_at_start_needs_a_restart_and_is_told() {
    let tls = Authority::new();
    tls.write("main", &["localhost"], GOOD);
    let world = World::start(program(), &config("", &[MCP])).await;
    let yaml = config("", &[MCP]);
    let open = OPEN.replace("path: /mcp", "path: /mcp, name: open");
    let changes = [
        (
            yaml.replace("listen: \"127.0.0.1:0\", ", "listen: \"[::1]:0\", "),
            "server.listen",
        ),
        (config(&tls.keys("main", ""), &[MCP]), "server.tls"),
        (format!("profile: production\n{yaml}"), "profile"),
        (
            yaml.replace(
                "admin: { listen: \"127.0.0.1:0\"",
                "admin: { listen: \"[::1]:0\"",
            ),
            "admin.listen",
        ),
        (
            yaml.replace("format: json", "format: text"),
            "logging.format",
        ),
        (
            config("dangerous: [plain_http]", &[MCP]),
            "server.dangerous",
        ),
        (config("", &[&open]), "routes.open.dangerous"),
    ];
    for (count, (template, key)) in (1..).zip(changes) {
        let cause = refused(&world, &template, count).await;
        assert_eq!(cause, format!("needs a restart: {key} changed"));
    }
    scoped(&world, "any").send().await.is(200);
}

#[tokio::test]
async fn limits_and_the_level_of_the_log_are_taken_up() {
    let world = World::start(program(), &route("")).await;
    let level = route("").replace("level: debug", "level: warn");
    let small = level.replace(
        "listen: \"127.0.0.1:0\", ",
        "listen: \"127.0.0.1:0\", limits: { body_bytes: 10B }, ",
    );
    assert_ne!(small, level);
    reloaded(&world, &small, 1).await;
    scoped(&world, "any").send().await.is(413);
    world.gateway.wait_for_log("body_too_large").await;
    let before = world.gateway.log().len();
    world.server.answer(Reply::status(202));
    reloaded_quietly(&world, &level).await;
    let told = world.gateway.log().split_off(before);
    assert_eq!(told, Vec::<String>::new(), "nothing below warn");
}

/// Replaces the file and waits until a call of usual size passes.
async fn reloaded_quietly(world: &World, template: &str) {
    world.rewrite(template);
    let asked = tokio::time::timeout(Duration::from_secs(10), async {
        let get = || world.client().get("/mcp").bearer(world.token());
        while get().send().await.status != 202 || counted(world, "ok").await != Some(2) {}
    });
    asked.await.expect("it is taken");
}

#[tokio::test]
async fn certificates_are_what_the_new_file_names() {
    let authority = Authority::new();
    authority.write("one", &["localhost"], GOOD);
    authority.write("two", &["localhost"], GOOD);
    let yaml = |name: &str| config(&authority.keys(name, ""), &[MCP]);
    let world = World::start(program(), &yaml("one")).await;
    let served = async || shown(&authority.open(&world, "localhost").await);
    let first = served().await;
    let cause = refused(&world, &yaml("nowhere"), 1).await;
    assert!(cause.contains("does not exist"), "{cause}");
    let mismatch = yaml("one").replace("one.key", "two.key");
    let cause = refused(&world, &mismatch, 2).await;
    assert!(cause.contains("is not the key of"), "{cause}");
    assert_eq!(served().await, first);
    reloaded(&world, &yaml("two"), 1).await;
    let second = served().await;
    assert_ne!(second, first);
    // from now on these are the files that are watched
    authority.write("two", &["localhost"], GOOD);
    world.gateway.wait_for_log("certificate replaced").await;
    assert_ne!(served().await, second);
    assert_eq!(counted(&world, "ok").await, Some(1), "and nothing else is");
}

#[tokio::test]
async fn s4_2_the_sidecar_reads_its_variables_again_and_outlives_sighup() {
    let (idp, server) = (Idp::start().await, Recorder::start().await);
    let folder = tempfile::tempdir().unwrap();
    let env_file = folder.path().join("sidecar.env");
    let write = |audience: &str| {
        let text = format!(
            "OAUTH_ISSUER_URL={}\nOAUTH_AUDIENCE={audience}\n",
            idp.issuer()
        );
        std::fs::write(&env_file, text).unwrap();
    };
    write("api://one");
    let launch = Gateway::launch(program()).arg("run").arg("--upstream");
    let launch = launch
        .arg(format!("{}/mcp", server.url()))
        .arg("--env-file");
    let launch = launch
        .arg(Path::new(&env_file))
        .env("PORT", "0")
        .env("ADMIN_PORT", "0");
    let mut gateway = launch.start().await;
    gateway.signal("HUP").await;
    gateway.wait_for_nth_log(TAKEN, 1).await;
    assert!(gateway.is_running());
    let token = || idp.token().audience("api://two");
    call(&gateway, token()).send().await.is(401);
    write("api://two");
    gateway.wait_for_nth_log(TAKEN, 2).await;
    call(&gateway, token()).send().await.is(200);
}
