//! OpenID Connect, through the eyes of a browser, of an application and of whoever holds a token.

mod backchannel;
mod encrypted;
mod hints;
mod id_token;
mod logout;
mod prompt;
mod sent_encrypted;
mod truth;
mod userinfo;

use crate::world::{App, Browser, Database, Person, Server, Tokens};

/// A person who is signed in at an application, all the way to its tokens.
struct Scene {
    browser: Browser,
    tokens: Tokens,
    app: App,
    ada: Person,
    server: Server,
}

fn scene(database: &Database) -> Scene {
    scene_with(database, "openid docs.read")
}

fn scene_with(database: &Database, scope: &str) -> Scene {
    scene_on(Server::on(database), scope)
}

fn scene_at(server: Server) -> Scene {
    scene_on(server, "openid docs.read")
}

fn scene_on(server: Server, scope: &str) -> Scene {
    let (ada, app) = (server.person("ada"), server.web_app().scope(scope));
    let mut browser = server.browser();
    let tokens = browser.tokens(&app, &ada);
    Scene { browser, tokens, app, ada, server }
}
