//! The life of a process: how it begins, is told something by a signal, and ends; and a demonstration beside others.

use crate::{
    commands::{Installation, Serving, each},
    world::{
        busy::{LONG, within},
        ports::free_port,
    },
};
use std::{
    fs,
    net::TcpListener,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Stdio,
};

/// A source of the key-encryption key that takes its time while it is held.
struct Source(PathBuf);

impl Source {
    fn of(it: &Installation) -> Self {
        let folder = it.folder.path();
        let script = folder.join("source");
        let at = folder.display();
        fs::write(
            &script,
            format!("touch {at}/begun\nwhile [ -e {at}/held ]; do sleep 0.05; done\necho {}\n", "11".repeat(32)),
        )
        .unwrap();
        fs::write(folder.join("keywright.toml"), format!("[secrets]\nkek = \"cmd:sh {}\"\n", script.display()))
            .unwrap();
        Self(folder.to_owned())
    }
    fn hold(&self) {
        let _ = fs::remove_file(self.0.join("begun"));
        fs::write(self.0.join("held"), "").unwrap();
    }
    fn let_go(&self) {
        fs::remove_file(self.0.join("held")).unwrap();
    }
    fn is_asked(&self) -> bool {
        within(LONG, || self.0.join("begun").exists())
    }
}

#[test]
fn a_server_that_is_told_to_read_its_settings_again_while_it_begins_does_so_when_it_serves() {
    each(|it| {
        let source = Source::of(it);
        source.hold();
        let mut serving = it.begin(&[]);
        assert!(source.is_asked());
        serving.reload();
        source.let_go();
        it.is_ready(&mut serving);
        assert!(within(LONG, || it.log().contains("the settings were read again")), "{}", it.log());
        serving.end();
    });
}

#[test]
fn a_server_that_is_told_to_end_while_it_begins_ends_at_once() {
    each(|it| {
        let source = Source::of(it);
        source.hold();
        let serving = it.begin(&[]);
        assert!(source.is_asked());
        assert_eq!(serving.told_to_end().signal(), Some(15), "{}", it.log());
        source.let_go();
    });
}

#[test]
fn a_server_that_is_told_to_end_does_not_first_wait_for_a_source_of_secrets() {
    each(|it| {
        let source = Source::of(it);
        let serving = it.serve();
        source.hold();
        serving.reload();
        assert!(source.is_asked());
        serving.end();
        let log = it.log();
        assert!(log.contains("stopped") && !log.contains("the settings were"), "{log}");
        source.let_go();
    });
}

#[test]
fn a_server_that_finds_an_address_in_use_says_nothing_of_a_bad_end() {
    each(|it| {
        let serving = it.serve();
        let (code, told) = it.failure(&["serve"], "");
        assert!(code == 1 && told.contains("for requests"), "{told}");
        serving.end();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        it.set("KEYWRIGHT_SERVER_METRICS_LISTEN", taken.local_addr().unwrap().to_string());
        let (code, told) = it.failure(&["serve"], "");
        assert!(code == 1 && told.contains("for metrics"), "{told}");
        it.unset("KEYWRIGHT_SERVER_METRICS_LISTEN");
        it.serve().end();
        let kinds = it.kinds();
        assert!(!kinds.is_empty() && !kinds.iter().any(|kind| kind == "audit.gap"), "{kinds:?}");
        it.serve().kill();
        it.serve().end();
        assert_eq!(it.kinds().iter().filter(|kind| *kind == "audit.gap").count(), 1, "one that was killed is missed");
    });
}

/// What a demonstration is told that keeps its database and its log in `data`.
fn demonstration(data: &Path) -> ([String; 3], Vec<String>) {
    let at = [0; 3].map(|_| format!("127.0.0.1:{}", free_port()));
    let [issuer, application, weather] = &at;
    let data = data.display().to_string();
    let told = ["demo", "--listen", issuer, "--application", application, "--weather", weather, "--data", &data];
    let told = told.into_iter().chain(["--nginx", "no-such-nginx"]).map(str::to_owned).collect();
    (at, told)
}

fn words(told: &[String]) -> Vec<&str> {
    told.iter().map(String::as_str).collect()
}

#[test]
fn a_demonstration_adds_nothing_to_what_is_in_earnest() {
    each(|it| {
        it.json(&["user", "add", "ada", "--without-password"], "");
        let data = it.folder.path().join("data");
        let refused = || {
            let (code, said) = it.failure(&words(&demonstration(&data).1), "");
            assert!(code == 1 && said.contains("is not the demonstration's") && said.contains("--data"), "{said}");
            assert!(!data.join("demo.json").exists());
        };
        refused();
        fs::rename(data.join("kek"), it.folder.path().join("kek")).unwrap();
        fs::write(data.join("keywright.db"), "").unwrap();
        refused();
    });
}

#[test]
fn a_demonstration_that_finds_an_address_in_use_writes_nothing() {
    each(|it| {
        let data = it.folder.path().join("fresh");
        let (at, told) = demonstration(&data);
        for one in &at {
            let taken = TcpListener::bind(one).unwrap();
            let (code, said) = it.failure(&words(&told), "");
            assert!(code == 1 && said.contains(&format!("listening on {one}")), "{said}");
            assert!(!data.exists(), "{one}");
            drop(taken);
        }
    });
}

#[test]
fn a_demonstration_goes_on_where_it_began_and_where_its_first_start_ended_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let it =
        Installation { folder, database: "sqlite:unused".to_owned(), port: free_port(), variables: Default::default() };
    let data = it.folder.path().join("fresh");
    let run = || {
        let (at, told) = demonstration(&data);
        let log = fs::File::create(it.folder.path().join("log")).unwrap();
        let mut command = it.command(&words(&told));
        let mut demo = Serving::of(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let ready = || ureq::get(format!("http://{}/readyz", at[0])).call().is_ok() || demo.has_ended();
        assert!(within(LONG, ready), "{}", it.log());
        assert!(!demo.has_ended(), "{}", it.log());
        demo.end();
        fs::read_to_string(data.join("demo.json")).unwrap()
    };
    let remembered = run();
    assert!(remembered.contains("password"));
    fs::write(data.join("demo.json"), "").unwrap();
    let again = run();
    assert!(again.contains("password") && again != remembered);
    assert_eq!(run(), again);
}
