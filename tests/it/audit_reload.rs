//! A new configuration is a decision too, and on record like all others.

use serde_json::Value;

use crate::setting::{call, usual};
use crate::trail::{events, in_file};

#[tokio::test]
async fn s0_56_sec_78_reloads_are_on_record_taken_or_refused() {
    let (world, trail) = in_file("").await;
    let whole = |section: &str, rest: &str| format!("{section}{rest}");
    let same = trail.section("");
    world.rewrite(&whole(&same, &usual("", ", audiences: [x]")));
    let lines = trail.wait_for(2).await;
    assert_eq!(
        (&lines[1]["event"], &lines[1]["decision"]),
        (&"reload".into(), &"allowed".into())
    );
    assert_eq!(lines[1].get("reason"), None);
    world.rewrite(&whole(&same, &usual(", leeway: 5m", "")));
    let lines = trail.wait_for(3).await;
    let reason = lines[2]["reason"].as_str().unwrap();
    assert!(
        reason.contains("leeway") && !reason.contains('\n'),
        "{reason}"
    );
    // records are not ended in passing
    for section in ["", &trail.section("level: refusals")] {
        let before = trail.lines().len();
        world.rewrite(&whole(section, &usual("", "")));
        let lines = trail.wait_for(before + 1).await;
        assert_eq!(lines[before]["decision"], "refused");
        assert_eq!(lines[before]["reason"], "needs a restart: audit changed");
    }
    call(&world).send().await.is(401);
    trail.wait_for(6).await;
}

#[tokio::test]
async fn sec_78_sec_79_what_the_operator_has_done_is_on_record() {
    const TOKEN: &str = "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E";
    let (world, trail) = in_file("").await;
    let with_token = usual("", "").replace("admin: { ", &format!("admin: {{ token: {TOKEN}, "));
    world.rewrite(&format!("{}{with_token}", trail.section("")));
    trail.wait_for(2).await;
    let reload = world.gateway.admin().post("/reload");
    reload.clone().bearer("another").send().await.is(401);
    reload.bearer(TOKEN).send().await.is(200);
    let lines = trail.wait_for(3).await;
    assert_eq!(
        (&lines[2]["event"], &lines[2]["decision"]),
        (&"reload".into(), &"allowed".into())
    );
}

#[tokio::test]
async fn sec_78_without_a_record_no_configuration_is_taken() {
    let (world, trail) = in_file("").await;
    std::fs::rename(trail.path(), trail.at("audit.jsonl.1")).unwrap();
    std::fs::create_dir(trail.path()).unwrap();
    world.gateway.signal("HUP").await;
    world
        .gateway
        .wait_for_log("the audit trail cannot be written")
        .await;
    world.rewrite(&format!(
        "{}{}",
        trail.section(""),
        usual("", ", audiences: [x]")
    ));
    let told = world
        .gateway
        .wait_for_log("configuration not reloaded")
        .await;
    let entry: Value = serde_json::from_str(&told).unwrap();
    let cause = entry["cause"].as_str().unwrap();
    assert!(cause.starts_with("no record of it can be kept"), "{cause}");
    std::fs::remove_dir(trail.path()).unwrap();
    let lines = trail.wait_for(1).await;
    assert!(
        events(&lines).iter().all(|event| *event == "reload"),
        "{lines:?}"
    );
}
