//! The page about the text of keys: its snippets and its table are what the code does (R41).

use keywright::apikey::text;
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/key-format.md")).unwrap()
}

/// The snippet of this language.
fn snippet(language: &str) -> String {
    let page = page();
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```\n").unwrap().0.to_owned()
}

/// Each text of the table, and whether it is whole.
fn table() -> Vec<(String, bool)> {
    let rows: Vec<_> = page()
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(text, what)| (text.to_owned(), what.starts_with("whole")))
        .collect();
    assert_eq!((rows.len(), rows.iter().filter(|row| row.1).count()), (9, 4));
    rows
}

/// What a program says of each line it is given: `true` or `false`.
fn says(program: &str, arguments: &[&str], lines: &[String]) -> Vec<bool> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{program}: {e}"));
    child.stdin.take().unwrap().write_all(format!("{}\n", lines.join("\n")).as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success(), "{program}");
    String::from_utf8(said.stdout).unwrap().lines().map(|line| line.to_lowercase() == "true").collect()
}

/// The texts of the table, and each of them with one character changed.
fn texts() -> (Vec<String>, Vec<bool>) {
    let table = table();
    let mut all: Vec<String> = table.iter().map(|(text, _)| text.clone()).collect();
    for at in 0..all[0].len() {
        let mut text = all[0].clone().into_bytes();
        text[at] = if text[at] == b'a' { b'b' } else { b'a' };
        all.push(String::from_utf8(text).unwrap());
    }
    let wanted: Vec<bool> = all.iter().map(|text| text::well_formed(text, text::RANDOM)).collect();
    assert_eq!(wanted[..table.len()], table.iter().map(|row| row.1).collect::<Vec<_>>());
    assert!(!wanted[table.len()..].contains(&true));
    (all, wanted)
}

#[test]
fn r041_the_snippets_of_the_page_tell_whole_keys_from_others_as_the_server_does() {
    let (texts, wanted) = texts();
    let python =
        format!("{}\nimport sys\nfor line in sys.stdin:\n    print(key_is_whole(line[:-1]))", snippet("python"));
    assert_eq!(says("python3", &["-c", &python], &texts), wanted);
    let shell = "while IFS= read -r line; do if printf '%s\\n' \"$line\" | key_is_whole; then echo true; else echo false; fi; done";
    assert_eq!(says("sh", &["-c", &format!("{}\n{shell}", snippet("sh"))], &texts), wanted);
    let node = "for (const line of require('fs').readFileSync(0, 'utf8').split('\\n').slice(0, -1)) console.log(keyIsWhole(line));";
    if Command::new("node").arg("--version").output().is_ok() {
        assert_eq!(says("node", &["-e", &format!("{}\n{node}", snippet("javascript"))], &texts), wanted);
    } else {
        println!("skipped: no node");
    }
    if Command::new("go").arg("version").output().is_ok() {
        let folder = tempfile::tempdir().unwrap();
        let main = "package main\n\nimport (\n\t\"bufio\"\n\t\"fmt\"\n\t\"os\"\n)\n\nfunc main() {\n\t\
                    lines := bufio.NewScanner(os.Stdin)\n\tfor lines.Scan() {\n\t\tfmt.Println(IsWhole(lines.Text()))\n\t}\n}\n";
        let key = snippet("go").replace("package key", "package main");
        fs::write(folder.path().join("main.go"), main).unwrap();
        fs::write(folder.path().join("key.go"), key).unwrap();
        let files = ["main.go", "key.go"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
        assert_eq!(says("go", &["run", &files[0], &files[1]], &texts), wanted);
    } else {
        println!("skipped: no Go toolchain");
    }
}

#[test]
fn r041_a_key_that_is_made_without_a_server_is_one_that_the_snippets_take() {
    let made = Command::new(env!("CARGO_BIN_EXE_keywright"))
        .args(["api-key", "gen", "--offline", "--prefix", "acme", "--environment", "live"])
        .output()
        .unwrap();
    let text = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    assert!(text.starts_with("acme_live_"));
    let python =
        format!("{}\nimport sys\nfor line in sys.stdin:\n    print(key_is_whole(line[:-1]))", snippet("python"));
    assert_eq!(says("python3", &["-c", &python], &[text]), [true]);
}
