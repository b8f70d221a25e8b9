//! The application as a whole, against an issuer that can be told to lie.

mod issuer;

use super::{guard::guard, routes, settings::sample};
use actix_web::{
    App,
    body::BoxBody,
    cookie::Cookie,
    dev::{Service, ServiceResponse},
    http::header,
    middleware::from_fn,
    test::{TestRequest, init_service, read_body},
    web,
};
use issuer::{Pretender, start};
use serde_json::json;
use std::collections::HashMap;

macro_rules! application {
    ($of:expr) => {{
        let settings = super::DemoSettings { issuer: $of.issuer.clone(), ..sample() };
        let site = web::Data::new(routes::Site::new(settings));
        let app = init_service(App::new().app_data(site).wrap(from_fn(guard)).configure(routes::routes)).await;
        async move |request: TestRequest| app.call(request.to_request()).await.unwrap()
    }};
}

fn ask(method: &str, path: &str) -> TestRequest {
    let request = if method == "POST" { TestRequest::post() } else { TestRequest::get() };
    request.uri(path).insert_header((header::HOST, "127.0.0.1:8090"))
}

/// A browser: it keeps the cookie and knows the key of the forms.
struct Browser<'a, F> {
    at: &'a F,
    cookie: Option<Cookie<'static>>,
}

impl<'a, F: AsyncFn(TestRequest) -> ServiceResponse<BoxBody>> Browser<'a, F> {
    const fn new(at: &'a F) -> Self {
        Self { at, cookie: None }
    }
    /// Status, location and text of the answer.
    async fn send(&mut self, mut request: TestRequest) -> (u16, String, String) {
        if let Some(cookie) = &self.cookie {
            request = request.cookie(cookie.clone());
        }
        let response = (self.at)(request).await;
        if let Some(cookie) = response.response().cookies().next() {
            self.cookie = Some(cookie.into_owned());
        }
        let location = response.headers().get(header::LOCATION).map(|l| l.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = read_body(response).await;
        (status, location.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
    }
    async fn page(&mut self) -> String {
        self.send(ask("GET", "/")).await.2
    }
    async fn press(&mut self, path: &str, name: &str, value: &str) -> (u16, String, String) {
        let page = self.page().await;
        let key = page.split("name=\"form_key\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        self.send(ask("POST", path).set_form([("form_key", key.as_str()), (name, value)])).await
    }
    /// Presses a sign-in button; gives the parameters that the browser is sent off with.
    async fn depart(&mut self, ask: &str) -> HashMap<String, String> {
        let (status, location, _) = self.press("/sign-in", "ask", ask).await;
        assert_eq!(status, 303, "{location}");
        url::Url::parse(&location).unwrap().query_pairs().into_owned().collect()
    }
    /// Comes back with a code of the issuer that makes tokens with this lie.
    async fn arrive(&mut self, sent: &HashMap<String, String>, iss: &str, lie: &str) -> String {
        let code = format!("{}.{}.{lie}", sent["nonce"], sent["code_challenge"]);
        let path = format!("/callback?code={code}&state={}&iss={iss}", sent["state"]);
        let (status, location, _) = self.send(ask("GET", &path)).await;
        assert_eq!((status, location.as_str()), (303, "/#latest"));
        self.page().await
    }
    async fn sign_in(&mut self, of: &Pretender) -> String {
        let sent = self.depart("plain").await;
        self.arrive(&sent, of.issuer.as_str(), "").await
    }
}

#[actix_web::test]
async fn a_person_signs_in_and_the_page_tells_every_step() {
    let issuer = start();
    let app = application!(issuer);
    let mut browser = Browser::new(&app);
    let page = browser.sign_in(&issuer).await;
    for told in
        ["signed in", "Discover the issuer", "RFC 7636 §4.2", "RFC 9207", "Verify the ID token", "at_hash", "usr_1"]
    {
        assert!(page.contains(told), "{told} in\n{page}");
    }
    assert!(!page.contains("✗") && !page.contains("a secret of the demonstration"));
    assert!(!page.contains("rt_first_first"), "the refresh token is nowhere whole");
}

#[actix_web::test]
async fn hostile_names_and_parameters_are_text_and_nothing_else() {
    let issuer = start();
    let app = application!(issuer);
    let mut browser = Browser::new(&app);
    let page = browser.sign_in(&issuer).await;
    assert!(page.contains("Ada &#60;script&#62;") && !page.contains("<script"), "{page}");
    let path = "/callback?error=%22%3E%3Cimg%20src%3Dx%3E&error_description=%3Cscript%3Ex%3C/script%3E&state=%3Cb%3E";
    browser.send(ask("GET", path)).await;
    let page = browser.page().await;
    assert!(page.contains("An answer that nobody here asked for"));
    assert!(!page.contains("<script") && !page.contains("<img src=x") && !page.contains("<b>"));
}

#[actix_web::test]
async fn whatever_the_issuer_lies_about_nobody_is_signed_in() {
    let issuer = start();
    let app = application!(issuer);
    for lie in ["nonce", "aud", "iss", "exp", "at_hash", "signature"] {
        let mut browser = Browser::new(&app);
        let sent = browser.depart("plain").await;
        let page = browser.arrive(&sent, issuer.issuer.as_str(), lie).await;
        assert!(page.contains("Nobody signed in") && page.contains("✗") && !page.contains("Hello, "), "{lie}");
    }
    let mut browser = Browser::new(&app);
    let sent = browser.depart("plain").await;
    let page = browser.arrive(&sent, "https://another.example", "").await;
    assert!(page.contains("Nobody signed in") && !page.contains("Exchange the code"), "the code is not sent anywhere");
}

#[actix_web::test]
async fn a_sign_in_that_must_be_fresh_is_checked_to_be() {
    let issuer = start();
    let app = application!(issuer);
    for (lie, fresh) in [("old", false), ("", true)] {
        let mut browser = Browser::new(&app);
        let sent = browser.depart("again").await;
        assert_eq!(sent["prompt"], "login");
        let page = browser.arrive(&sent, issuer.issuer.as_str(), lie).await;
        assert_eq!(page.contains("Hello, "), fresh);
    }
}

#[actix_web::test]
async fn an_answer_counts_once_and_only_in_the_browser_that_asked() {
    let issuer = start();
    let app = application!(issuer);
    let mut mine = Browser::new(&app);
    let sent = mine.depart("plain").await;
    let mut theirs = Browser::new(&app);
    let page = theirs.arrive(&sent, issuer.issuer.as_str(), "").await;
    assert!(page.contains("An answer that nobody here asked for") && !page.contains("Hello, "));
    let before = mine.cookie.clone().unwrap();
    assert!(mine.arrive(&sent, issuer.issuer.as_str(), "").await.contains("Hello, "));
    assert_ne!(before.value(), mine.cookie.as_ref().unwrap().value(), "a new cookie after signing in");
    assert!(mine.arrive(&sent, issuer.issuer.as_str(), "").await.contains("An answer that nobody here asked for"));
}

#[actix_web::test]
async fn a_wrong_verifier_is_refused_and_leaves_the_person_signed_in() {
    let issuer = start();
    let app = application!(issuer);
    let mut browser = Browser::new(&app);
    browser.sign_in(&issuer).await;
    let sent = browser.depart("wrong-verifier").await;
    let page = browser.arrive(&sent, issuer.issuer.as_str(), "").await;
    assert!(page.contains("A code with the wrong verifier") && page.contains("invalid_grant"), "{page}");
    assert!(page.contains("refused, as it should be") && page.contains("Hello, "));
}

#[actix_web::test]
async fn the_buttons_do_what_they_say() {
    let issuer = start();
    let app = application!(issuer);
    let mut browser = Browser::new(&app);
    browser.sign_in(&issuer).await;
    for (act, told) in [
        ("refresh", "the refresh token was replaced"),
        ("userinfo", "Userinfo was asked"),
        ("introspect", "active is true"),
        ("revoke", "active is false"),
    ] {
        let (status, ..) = browser.press("/act", "act", act).await;
        assert_eq!(status, 303);
        assert!(browser.page().await.contains(told), "{act}");
    }
}

#[actix_web::test]
async fn a_button_pressed_by_another_site_does_nothing() {
    let issuer = start();
    let app = application!(issuer);
    let mut browser = Browser::new(&app);
    browser.sign_in(&issuer).await;
    for path in ["/act", "/sign-in", "/sign-out", "/elsewhere"] {
        let form = [("form_key", "guess"), ("act", "revoke"), ("ask", "plain")];
        let (status, location, _) = browser.send(ask("POST", path).set_form(form)).await;
        assert_eq!((status, location.as_str()), (303, "/#latest"), "{path}");
    }
    let page = browser.page().await;
    assert!(page.contains("Hello, ") && !page.contains("revoked"));
}

#[actix_web::test]
async fn signing_out_goes_by_the_issuer_and_is_told_at_the_return() {
    let issuer = start();
    let app = application!(issuer);
    let mut browser = Browser::new(&app);
    browser.sign_in(&issuer).await;
    let (_, location, _) = browser.press("/sign-out", "x", "y").await;
    let sent: HashMap<String, String> = url::Url::parse(&location).unwrap().query_pairs().into_owned().collect();
    assert_eq!(sent["post_logout_redirect_uri"], "http://127.0.0.1:8090/signed-out");
    assert!(sent.contains_key("id_token_hint") && !browser.page().await.contains("Hello, "));
    browser.send(ask("GET", &format!("/signed-out?state={}", sent["state"]))).await;
    assert!(browser.page().await.contains("Both sessions are over"));
}

#[actix_web::test]
async fn a_logout_token_drops_the_session_it_names_and_no_other_token_does() {
    let issuer = start();
    let app = application!(issuer);
    let mut browser = Browser::new(&app);
    browser.sign_in(&issuer).await;
    for (changes, status, stays) in [
        (json!({"nonce": "n"}), 400, true),
        (json!({"aud": "another"}), 400, true),
        (json!({"events": {}}), 400, true),
        (json!({"exp": 1000}), 400, true),
        (json!({"sid": null}), 400, true),
        (json!({"sid": "ses_2"}), 200, true),
        (json!({"sid": null, "sub": "usr_2"}), 200, true),
        (json!({}), 200, false),
    ] {
        let token = issuer.logout_token(changes.clone());
        let request = ask("POST", "/backchannel-logout").set_form([("logout_token", token)]);
        let (answered, _, body) = Browser::new(&app).send(request).await;
        assert_eq!(answered, status, "{changes} {body}");
        assert_eq!(browser.page().await.contains("Hello, "), stays, "{changes}");
    }
    assert!(browser.page().await.contains("The issuer signed you out here"));
}

#[actix_web::test]
async fn the_sample_api_judges_by_the_token_alone() {
    let issuer = start();
    let app = application!(issuer);
    let here = "http://127.0.0.1:8090/api";
    for (token, status) in [
        (issuer.access_token("demo.read openid", here), 200),
        (issuer.access_token("openid", here), 403),
        (issuer.access_token("demo.read", "http://127.0.0.1:8080"), 401),
        (issuer.logout_token(json!({})), 401),
        ("nonsense".into(), 401),
    ] {
        let request = ask("GET", "/api/hello").insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
        let (answered, _, body) = Browser::new(&app).send(request).await;
        assert_eq!(answered, status, "{body}");
    }
}

#[actix_web::test]
async fn every_page_has_a_strict_policy_and_other_hosts_are_refused() {
    let issuer = start();
    let app = application!(issuer);
    let response = app(ask("GET", "/")).await;
    let policy = response.headers().get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let cookie = response.headers().get(header::SET_COOKIE).unwrap().to_str().unwrap().to_owned();
    assert!(
        cookie.starts_with("kw_demo=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    for (host, status) in [("evil.example:8090", 421), ("localhost:8090", 303), ("127.0.0.1:8080", 421)] {
        let request = TestRequest::get().uri("/").insert_header((header::HOST, host));
        assert_eq!(app(request).await.status().as_u16(), status, "{host}");
    }
}
