//! `keywright migrate`: brings the database up to what this program knows.

use super::{Answer, Failure, Session, at_work::on_runtime};
use crate::app::open;
use serde_json::json;

pub(super) fn run(session: &Session) -> Result<Answer, Failure> {
    let config = session.config()?;
    let done = on_runtime(async {
        let opened = open::database(&config, &open::Edges::system())?;
        let done = opened.store.migrate().await;
        opened.store.close();
        Ok(done?)
    })?;
    let text = match done.as_slice() {
        [] => "the database is up to date".to_owned(),
        some => some.iter().map(|name| format!("applied {name}")).collect::<Vec<_>>().join("\n"),
    };
    Ok(Answer::new(text, json!({ "applied": done })))
}
