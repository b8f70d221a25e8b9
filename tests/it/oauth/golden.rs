//! The whole way of one person through one application.

use crate::world::{Server, each, header};

#[test]
fn a_person_signs_in_consents_and_the_application_gets_what_it_asked_for() {
    each(|database| {
        let server = Server::on(database);
        let (ada, app) = (server.person("ada"), server.web_app());
        let mut browser = server.browser();
        let tokens = browser.tokens(&app, &ada);
        assert_eq!(tokens.scope(), "docs.read openid");
        assert_eq!(tokens.id_claims()["sub"], ada.id.as_str());
        assert_eq!(header(&tokens.access)["typ"], "at+jwt");
        assert_eq!(app.userinfo(&tokens.access).json()["sub"], ada.id.as_str());
        assert!(app.sees_live(&tokens.access));
        let next = app.refresh(&tokens.refresh).tokens();
        assert!(app.sees_live(&next.access));
        assert_eq!(app.revoke(&next.refresh).status, 200);
        assert!(!app.sees_live(&next.access));
        assert!(!app.sees_live(&next.refresh));
    });
}
