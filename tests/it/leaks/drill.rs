//! `keywright drill`, against servers that run.

use crate::{
    commands::{Installation, each},
    world::ports::free_port,
};
use serde_json::{Value, json};
use std::fs;

fn api(it: &Installation, more: &[&str]) {
    it.json(&["migrate"], "");
    let api = ["api", "add", "--name", "docs", "--audience", "https://docs.example", "--scope", "docs.read"];
    it.json(&[&api[..], more].concat(), "");
}

fn steps(told: &Value) -> Vec<&str> {
    told["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

#[test]
fn r027_a_key_that_got_out_and_its_token_are_refused_and_each_step_is_measured() {
    each(|it| {
        api(it, &[]);
        let (code, said) = it.failure(&["drill", "compromise", "--api", "docs"], "");
        assert!(code == 1 && said.contains("no connection"), "nothing runs: {said}");
        let serving = it.serve();
        for _ in 0..2 {
            let told = it.json(&["drill", "compromise", "--api", "docs"], "");
            assert_eq!(told["passed"], true, "{told}");
            let steps = steps(&told);
            for step in [
                "exchanged for a token",
                "told of the key",
                "refuses the key",
                "refuses its token",
                "not exchanged again",
            ] {
                assert!(steps.iter().any(|one| one.contains(step)), "{step}: {steps:?}");
            }
            assert!(told["steps"].as_array().unwrap().iter().all(|step| step["passed"] == true && step["ms"].is_f64()));
        }
        let text = it.run(&["drill", "compromise"], "");
        let text = String::from_utf8(text.stdout).unwrap();
        assert!(text.contains(" ms  ") && text.trim_end().ends_with("all was refused"), "{text}");
        // Nothing that was made for it is good any more.
        let keys = it.run(&["api-key", "list", "-o", "json"], "");
        let keys: Value = serde_json::from_slice(&keys.stdout).unwrap();
        let states: Vec<&Value> = keys["keys"].as_array().unwrap().iter().map(|key| &key["state"]).collect();
        let (ended, out) = (json!("revoked"), json!("compromised"));
        assert_eq!(states, [&ended, &out, &out, &out], "that of the drill that found no server too");
        let clients = it.run(&["client", "list", "-o", "json"], "");
        let clients = String::from_utf8(clients.stdout).unwrap();
        assert_eq!(clients.matches("Drills of docs").count(), 1, "one client for all drills: {clients}");
        serving.end();
    });
}

#[test]
fn what_a_drill_tells_of_an_api_without_tokens_for_keys_is_true() {
    each(|it| {
        it.json(&["migrate"], "");
        it.json(&["plan", "add", "--template", "free"], "");
        api(it, &["--plan", "free"]);
        let serving = it.serve();
        let told = it.json(&["drill", "compromise", "--api", "docs"], "");
        assert_eq!(told["passed"], true, "{told}");
        let steps = steps(&told);
        assert!(steps.iter().any(|step| step.contains("has no tokens for keys")), "{steps:?}");
        assert!(!steps.iter().any(|step| step.contains("exchanged")), "{steps:?}");
        serving.end();
    });
}

#[test]
fn r086_a_drill_measures_how_soon_two_nodes_refuse_a_revoked_key() {
    each(|it| {
        api(it, &[]);
        let one = it.serve();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        for file in fs::read_dir(it.folder.path().join("data")).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), folder.path().join("data").join(file.file_name())).unwrap();
        }
        let port = free_port();
        let other = Installation { folder, database: it.database.clone(), port, variables: it.variables.clone() };
        // Of SQLite there is one node.
        let two = (!it.database.starts_with("sqlite:")).then(|| other.serve());
        let nodes = if two.is_some() { format!("{},{}", it.at(""), other.at("")) } else { it.at("") };
        let told = it.json(&["drill", "revoke", "--nodes", &nodes], "");
        assert_eq!(told["passed"], true, "{told}");
        let refused: Vec<f64> = told["steps"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|step| step["step"].as_str().unwrap().contains("refuses the key"))
            .map(|step| step["ms"].as_f64().unwrap())
            .collect();
        assert_eq!(refused.len(), if two.is_some() { 2 } else { 1 }, "{told}");
        println!("refused after {refused:?} ms");
        assert_eq!(it.failure(&["drill", "revoke", "--nodes", "nowhere"], "").0, 2);
        two.into_iter().for_each(crate::commands::Serving::end);
        one.end();
    });
}
