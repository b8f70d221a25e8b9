//! The database goes away and comes back; the disk is full and is not.

use super::{
    busy::{LONG, at_best},
    kills::{hold_all, seed, totals, under_load},
    load::Worker,
    node::{Installation, Node},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// How long a server may take to serve again once its database does.
const RECOVERY: Duration = Duration::from_secs(5);

/// Its requests do not wait longer than this for a database that is away.
fn impatient() -> (&'static str, String) {
    ("KEYWRIGHT_DATABASE_POOL_WAIT", "1s".to_owned())
}

/// A Postgres cluster that nobody else uses; none where there is no Postgres to start.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    pub(crate) url: String,
}

impl Cluster {
    pub(crate) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let open = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
        fs::set_permissions(folder.path(), open).unwrap();
        let mut cluster = Self { folder, url: String::new() };
        match cluster.act("start") {
            Ok(url) => cluster.url = url,
            Err(why) => {
                println!("skipped: no Postgres cluster of our own: {why}");
                return None;
            }
        }
        Some(cluster)
    }

    fn act(&self, what: &str) -> Result<String, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres");
        let out = Command::new("bash").arg(script).arg(what).arg(self.folder.path().join("pg")).output();
        let out = out.map_err(|e| e.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.act("kill"));
    }
}

fn crew<'i>(installation: &'i Installation, node: &Node) -> Vec<Worker<'i>> {
    (0..6).map(|n| Worker::new(installation, n, seed(), node.address)).collect()
}

/// Until a refresh works again, by a line of the first worker's own.
fn until_it_writes(workers: &mut [Worker<'_>]) -> Duration {
    let began = Instant::now();
    let worker = &mut workers[0];
    loop {
        let before = worker.ledger.counts.refreshes;
        if worker.ledger.live.is_empty() {
            // The next look tells whether it came to be.
            let _ = worker.new_line();
        }
        if !worker.ledger.live.is_empty() && worker.refresh_at(0).is_ok() && worker.ledger.counts.refreshes > before {
            return began.elapsed();
        }
        assert!(began.elapsed() < LONG, "it never came back");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_database_that_restarts_costs_answers_of_503_and_nothing_acknowledged() {
    let Some(cluster) = Cluster::start() else { return };
    let mut installation = Installation::on_postgres(&cluster.url);
    installation.settings.push(impatient());
    let mut node = installation.serve();
    let mut workers = crew(&installation, &node);
    for how in ["stop", "kill"] {
        let back = at_best(RECOVERY, || {
            under_load(&mut workers, Duration::from_millis(600), || {
                cluster.act(how).unwrap();
                thread::sleep(Duration::from_millis(1500));
                cluster.act("start").unwrap();
            });
            let back = until_it_writes(&mut workers);
            // A worker stops at a missing answer; a server that answers 503 never leaves one.
            assert_eq!(totals(&workers).unanswered, 0, "every request was answered");
            assert!(totals(&workers).busy > 0, "somebody noticed");
            println!("restarted by {how}: served again after {back:?}; {:?}", totals(&workers));
            // One thread writes again; every other looks again when its own rest is over.
            thread::sleep(Duration::from_secs(3));
            back
        });
        assert!(back <= RECOVERY, "{back:?}");
        hold_all(&mut workers, &node);
    }
    assert!(node.is_alive(), "without a restart of our own");
}

/// A small file system of its own; none where we may not make one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        let out = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(at).output();
        match out {
            Ok(out) if out.status.success() => Some(Self(at.to_owned())),
            Ok(out) => {
                println!("skipped: no small disk: {}", String::from_utf8_lossy(&out.stderr).trim());
                None
            }
            Err(e) => {
                println!("skipped: no small disk: {e}");
                None
            }
        }
    }
    /// Takes every byte that is free.
    fn fill(&self) {
        for size in [1 << 20, 1 << 16, 1 << 12, 1] {
            let path = self.0.join(format!("filler{size}"));
            let mut all = Vec::new();
            while fs::write(&path, &all).is_ok() && all.len() < (64 << 20) {
                all.resize(all.len() + size, 0);
            }
            if size == 1 {
                break;
            }
        }
    }
    fn empty(&self) {
        for entry in fs::read_dir(&self.0).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("filler") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_costs_answers_of_503_and_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path()) else { return };
    let mut installation = Installation::on_sqlite_in(&disk.0);
    installation.settings.push(impatient());
    let mut node = installation.serve();
    let mut workers = crew(&installation, &node);
    let back = at_best(RECOVERY, || {
        under_load(&mut workers, Duration::from_millis(600), || {
            disk.fill();
            thread::sleep(Duration::from_secs(2));
            disk.empty();
        });
        until_it_writes(&mut workers)
    });
    let total = totals(&workers);
    println!("served again {back:?} after there was room; {total:?}");
    assert_eq!(total.unanswered, 0, "every request was answered");
    assert!(total.busy > 0, "the disk was never full");
    assert!(back <= RECOVERY, "{back:?}");
    hold_all(&mut workers, &node);
    node.kill();
    let node = installation.serve();
    hold_all(&mut workers, &node);
}
