//! R40: a key is made in a process that leaves nothing behind, and that may do nothing else.

use crate::{
    commands::each,
    world::{
        busy::{LONG, within},
        ports::free_port,
    },
};
use keywright::base::secret::Secret;
use std::{
    fs,
    io::ErrorKind,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Somebody who may do nothing: the user and the group `nobody`.
const NOBODY: u32 = 65534;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a program that was just written. Whoever starts another at the same moment holds the file open for writing
/// until that one has begun.
fn spawned(command: &mut Command) -> Child {
    let mut started = command.spawn();
    while started.as_ref().is_err_and(|e| e.kind() == ErrorKind::ExecutableFileBusy) {
        thread::sleep(Duration::from_millis(10));
        started = command.spawn();
    }
    started.unwrap()
}

#[test]
fn r040_the_memory_of_a_server_is_out_of_reach_for_whoever_runs_as_the_same_user() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("keywright");
    fs::copy(env!("CARGO_BIN_EXE_keywright"), &program).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let port = free_port();
    let mut command = Command::new(&program);
    command
        .arg("serve")
        .current_dir(folder.path())
        .env_clear()
        .env("KEYWRIGHT_SERVER_DATA_DIR", &data)
        .env("KEYWRIGHT_SERVER_ISSUER", format!("http://127.0.0.1:{port}"))
        .env("KEYWRIGHT_SERVER_LISTEN", format!("127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.path().join("log")).unwrap());
    // The kernel gives the files of a process that leaves no core to root: that is seen only where it is not root's.
    if rustix::process::getuid().is_root() {
        chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let running = Running(spawned(&mut command));
    let of = |name: &str| format!("/proc/{}/{name}", running.0.id());
    let ready = within(LONG, || ureq::get(format!("http://127.0.0.1:{port}/readyz")).call().is_ok());
    assert!(ready, "{}", fs::read_to_string(folder.path().join("log")).unwrap());
    let status = fs::read_to_string(of("status")).unwrap();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    assert_ne!(uid.split_whitespace().next(), Some("0"), "the server itself is nobody of rank");
    for name in ["environ", "mem", "maps"] {
        assert_eq!(fs::metadata(of(name)).unwrap().uid(), 0, "{name}");
    }
    let limits = fs::read_to_string(of("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    let kek = fs::metadata(data.join("kek")).unwrap();
    assert_eq!(kek.permissions().mode() & 0o777, 0o600);
}

#[test]
fn r040_what_holds_a_secret_is_wiped() {
    fn wiped_when_dropped<T: ZeroizeOnDrop>() {}
    wiped_when_dropped::<Secret<String>>();
    wiped_when_dropped::<Secret<Vec<u8>>>();
    wiped_when_dropped::<Secret<[u8; 32]>>();
    let mut secret = Secret::new([7u8; 32]);
    secret.zeroize();
    assert_eq!(secret.expose(), &[0; 32]);
}

#[test]
fn r040_the_container_and_the_unit_run_as_nobody_and_write_one_folder() {
    let image = file("deploy/Dockerfile");
    let last = image.rsplit_once("\nFROM ").unwrap().1;
    assert!(last.lines().next().unwrap().ends_with(":nonroot") && last.contains("\nUSER 65532:65532\n"), "{last}");
    assert!(last.contains("\nVOLUME /var/lib/keywright\n") && last.matches("VOLUME").count() == 1);
    let compose = file("docker-compose.yml");
    let ours = compose.split_once("x-keywright:").unwrap().1.split_once("\nservices:").unwrap().0;
    for line in [
        "read_only: true",
        "user: \"65532:65532\"",
        "cap_drop: [ALL]",
        "security_opt: [\"no-new-privileges:true\"]",
        "ulimits: { core: 0 }",
    ] {
        assert!(ours.lines().any(|one| one.trim() == line), "{line}");
    }
    let unit = file("deploy/systemd/keywright.service");
    for line in [
        "User=keywright",
        "LimitCORE=0",
        "StateDirectoryMode=0700",
        "UMask=0077",
        "CapabilityBoundingSet=",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "ProtectProc=invisible",
        "MemoryDenyWriteExecute=yes",
    ] {
        assert!(unit.lines().any(|one| one == line), "{line}");
    }
    assert!(!unit.contains("ReadWritePaths="), "it writes its StateDirectory, and nothing else");
}

#[test]
fn r040_a_key_is_made_by_the_server_alone() {
    each(|it| {
        it.json(&["user", "add", "ada", "--without-password"], "");
        it.json(&["api", "add", "--name", "docs", "--audience", "https://docs.example", "--scope", "docs.read"], "");
        let make = ["api-key", "create", "--api", "docs", "--owner", "user:ada", "--name", "job", "--anywhere"];
        let (one, other) = (it.json(&make, ""), it.json(&make, ""));
        assert_ne!(one["key"], other["key"]);
        let (code, said) = it.failure(&[&make[..], &["--key", "kw_live_mine"]].concat(), "");
        assert!(code == 2 && said.contains("--key"), "nobody brings a text of their own to it: {said}");
    });
}
