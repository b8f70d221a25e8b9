//! A person's browser: it keeps cookies, follows redirects when told to, fills in forms.

use super::{
    app::{App, Attempt, Callback, Tokens},
    html::{Form, text_of},
    http::{Reply, Request, encode, get},
    server::{Person, Server},
};
use std::{collections::BTreeMap, net::SocketAddr};

#[derive(Clone)]
pub struct Browser {
    address: SocketAddr,
    origin: String,
    pub cookies: BTreeMap<String, String>,
    /// Fields that it sends with everything.
    pub always: Vec<(String, String)>,
}

impl Browser {
    pub fn at(server: &Server) -> Self {
        let issuer = url::Url::parse(&server.issuer).unwrap();
        Self {
            address: server.address,
            origin: issuer.origin().ascii_serialization(),
            cookies: BTreeMap::new(),
            always: Vec::new(),
        }
    }

    /// A browser before a server that runs in a process of its own.
    pub fn outside(address: SocketAddr, issuer: &str) -> Self {
        let origin = url::Url::parse(issuer).unwrap().origin().ascii_serialization();
        Self { address, origin, cookies: BTreeMap::new(), always: Vec::new() }
    }

    /// The same browser, behind a proxy that says that it is at this address.
    pub fn from(mut self, address: &str) -> Self {
        self.always.push(("X-Forwarded-For".to_owned(), address.to_owned()));
        self
    }

    /// The same browser, sent to another node.
    pub fn moved_to(mut self, server: &Server) -> Self {
        self.address = server.address;
        self
    }

    pub fn cookie(&self, part: &str) -> Option<&String> {
        self.cookies.iter().find(|(name, _)| name.contains(part)).map(|(_, value)| value)
    }

    pub fn send(&mut self, request: Request) -> Reply {
        let mut request = request;
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.field("Cookie", cookies.join("; "));
        }
        for (name, value) in &self.always {
            request = request.field(name, value.clone());
        }
        let reply = request.send(self.address);
        for cookie in reply.all("set-cookie") {
            let (pair, rest) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    fn is_ours(&self, url: &str) -> bool {
        url.starts_with('/') || url.strip_prefix(&self.origin).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The part of an address that a request names.
    fn target(&self, url: &str) -> String {
        assert!(self.is_ours(url), "{url} is somewhere else");
        url.strip_prefix(&self.origin).unwrap_or(url).to_owned()
    }

    /// Opens an address, without following redirects.
    pub fn open(&mut self, url: &str) -> Reply {
        let target = self.target(url);
        self.send(get(&target))
    }

    /// Opens an address and follows redirects for as long as they stay with the server.
    pub fn visit(&mut self, url: &str) -> Reply {
        let reply = self.open(url);
        self.follow(reply)
    }

    pub fn follow(&mut self, mut reply: Reply) -> Reply {
        for _ in 0..8 {
            match reply.field("location") {
                Some(location) if reply.status == 303 && self.is_ours(location) => {
                    let location = location.to_owned();
                    reply = self.open(&location);
                }
                _ => return reply,
            }
        }
        panic!("redirects without end");
    }

    /// Sends a form as it is, without following what comes of it.
    pub fn post(&mut self, form: &Form) -> Reply {
        let pairs: Vec<(&str, &str)> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let target = self.target(&form.action);
        let request = Request::new("POST", &target).form(&encode(&pairs));
        let origin = self.origin.clone();
        self.send(request.field("Origin", origin).field("Sec-Fetch-Site", "same-origin"))
    }

    /// Sends a form and goes where it leads.
    pub fn submit(&mut self, form: &Form) -> Reply {
        let reply = self.post(form);
        self.follow(reply)
    }

    /// Types name and password into the sign-in page.
    pub fn type_in(&mut self, page: &Reply, person: &Person) -> Reply {
        let form = page.form().fill("username", &person.name).fill("password", &person.password);
        self.submit(&form)
    }

    /// Signs in at the account page.
    pub fn sign_in(&mut self, person: &Person) -> Reply {
        let page = self.visit("/sign-in");
        let page = self.type_in(&page, person);
        assert_eq!(page.status, 200, "{}", page.text());
        assert!(page.says("Your account") || page.says("Hello"), "{}", page.words());
        page
    }

    /// Does whatever the pages ask, and comes back with the answer for the application.
    pub fn approve(&mut self, attempt: &Attempt, person: &Person) -> Callback {
        let mut page = self.visit(&attempt.url());
        for _ in 0..4 {
            if page.status == 303 {
                return attempt.callback(&page);
            }
            assert_eq!(page.status, 200, "{}", page.text());
            page = match page.title().as_str() {
                "Sign in" => self.type_in(&page, person),
                title if title.starts_with("Allow ") => self.submit(&page.form().press("Allow")),
                "One more step" => return attempt.callback(&page),
                title => panic!("the page {title:?} was not expected"),
            };
        }
        panic!("pages without end");
    }

    /// The same where the server lives under a path: the claims of the ID token.
    pub fn tokens_under(&mut self, app: &App, person: &Person, path: &str) -> serde_json::Value {
        let attempt = app.begin();
        let callback = self.approve(&attempt, person);
        let form = [
            ("grant_type", "authorization_code"),
            ("code", callback.code()),
            ("code_verifier", &attempt.verifier),
            ("redirect_uri", &app.redirect_uri),
        ];
        app.post(&format!("{path}/token"), &form).tokens().id_claims()
    }

    /// Signs a person in to an application, all the way to its tokens.
    pub fn tokens(&mut self, app: &App, person: &Person) -> Tokens {
        let attempt = app.begin();
        let callback = self.approve(&attempt, person);
        app.redeem(&attempt, callback.code()).tokens()
    }
}

impl Reply {
    pub fn form(&self) -> Form {
        Form::of(&self.text()).unwrap_or_else(|| panic!("no form: {} {}", self.status, self.text()))
    }
    /// What a person reads.
    pub fn words(&self) -> String {
        text_of(&self.text())
    }
    pub fn says(&self, words: &str) -> bool {
        self.words().contains(words)
    }
    pub fn title(&self) -> String {
        let html = self.text();
        let title = html.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        let title = title.map(|(title, _)| text_of(title)).unwrap_or_default();
        title.split(" · ").next().unwrap_or_default().trim().to_owned()
    }
}
