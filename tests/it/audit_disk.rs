//! The audit trail on a disk that is really full: a small one of its own, seen by the gateway alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use testbed::{Gateway, Idp, Recorder, World};

use crate::setting::{call, program, usual};
use crate::trail::requests;

/// A namespace of mounts with a small disk, for one program; gone with it.
const NAMESPACE: &str = "exec unshare --map-root-user --mount";

/// Whether this system lets us have one. Where it does not, the limit on file sizes in `audit_outages` has to do.
fn is_offered(folder: &Path) -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--mount", "mount", "-t", "tmpfs", "disk"]);
    let status = unshare.arg(folder).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

struct Disk {
    world: World,
    /// The folder as the gateway sees it.
    folder: PathBuf,
    _mount_point: tempfile::TempDir,
}

impl Disk {
    /// A gateway whose trail lies on a disk of 32 KiB, of which a ballast takes most.
    async fn start(keys: &str) -> Option<Self> {
        let mount_point = tempfile::tempdir().unwrap();
        let at = mount_point.path().display().to_string();
        if !is_offered(mount_point.path()) {
            eprintln!("skipped: no mounts of one's own here");
            return None;
        }
        let (idp, server) = (Idp::start().await, Recorder::start().await);
        let section = format!("audit: {{ file: '{at}/disk/audit.jsonl', {keys} }}\n");
        let yaml = format!("{section}{}", usual("", ""))
            .replace("{idp}", idp.issuer())
            .replace("{upstream}", &server.url());
        std::fs::write(mount_point.path().join("gateway.yaml"), yaml).unwrap();
        std::fs::create_dir(mount_point.path().join("disk")).unwrap();
        let disk = format!("mount -t tmpfs -o size=32k disk '{at}/disk'");
        let ballast = format!("head -c 20480 /dev/zero > '{at}/disk/ballast'");
        let run = format!("exec '{}' run -c '{at}/gateway.yaml'", program().display());
        let script = format!("{NAMESPACE} sh -c \"{disk} && {ballast} && {run}\"");
        let launch = Gateway::launch(Path::new("/bin/sh")).arg("-c").arg(script);
        let path = std::env::var("PATH").unwrap();
        let gateway = launch.env("PATH", &path).start().await;
        let folder = PathBuf::from(format!("/proc/{}/root{at}/disk", gateway.pid()));
        Some(Self {
            world: World {
                idp,
                server,
                gateway,
            },
            folder,
            _mount_point: mount_point,
        })
    }

    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join("audit.jsonl")).unwrap();
        assert!(text.ends_with('\n'), "{text}");
        let lines = text.lines().map(serde_json::from_str);
        lines
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    async fn until(&self, is_so: impl Fn(&str) -> bool) {
        let waiting = async {
            loop {
                let metrics = self.world.gateway.admin().get("/metrics").send().await;
                if is_so(&metrics.text()) {
                    return;
                }
            }
        };
        let waited = tokio::time::timeout(testbed::client::PATIENCE, waiting).await;
        assert!(waited.is_ok(), "{}", self.world.gateway.log().join("\n"));
    }
}

const WORKING: &str = "portcullis_audit_working{sink=\"file\"} 1\n";

#[tokio::test]
async fn sec_78_s0_56_a_disk_that_is_full_and_has_room_again_goes_on_with_whole_lines() {
    for (on_full, status) in [("block", 503), ("drop", 200)] {
        let Some(disk) = Disk::start(&format!("queue: 16, on_full: {on_full}")).await else {
            return;
        };
        let world = &disk.world;
        let mut sent = 0;
        loop {
            call(world).send().await.is(401);
            sent += 1;
            let metrics = world.gateway.admin().get("/metrics").send().await.text();
            if !metrics.contains(WORKING) {
                break;
            }
            assert!(sent < 200, "the disk takes everything");
        }
        world
            .gateway
            .wait_for_log("the audit trail cannot be written")
            .await;
        disk.lines(); // whole, though the disk is full in the middle of one
        let answer = call(world).bearer(world.token()).send().await;
        answer.is(status);
        for _ in 0..30 {
            call(world).send().await.is(401);
        }
        sent += 31;
        std::fs::remove_file(disk.folder.join("ballast")).unwrap();
        disk.until(|metrics| metrics.contains(WORKING)).await;
        call(world).bearer(world.token()).send().await.is(200);
        sent += 1;
        // the last of what waited, and then the gap
        disk.until(|_| requests(&disk.lines()) == sent).await;
        let lines = disk.lines();
        assert_eq!(requests(&lines), sent, "{on_full}: {lines:?}");
        assert!(lines.iter().any(|line| line["event"] == "gap"), "{on_full}");
    }
}
