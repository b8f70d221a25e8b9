//! One sentence about each parameter, header field and claim that the pages show.

/// What a request or answer parameter is for; empty where there is nothing to say.
pub(super) fn of_parameter(name: &str) -> &'static str {
    match name {
        "response_type" => "We want an authorization code, never a token in the address bar.",
        "client_id" => "Which application is asking.",
        "redirect_uri" => "Where the answer goes. It must equal a registered one, byte for byte.",
        "scope" => "What the application asks for; the person may see it on the consent page.",
        "state" => "Random, remembered with your cookie; the answer must bring it back.",
        "nonce" => "Random; comes back inside the ID token and ties it to this very sign-in.",
        "code_challenge" => "SHA-256 of a secret (the verifier) that only this application knows.",
        "code_challenge_method" => "How the challenge was made. S256 is the only one accepted.",
        "prompt" => "login: ask for the password again, even if there is a session.",
        "resource" => "The API for which the access token shall be good (RFC 8707): its audience.",
        "grant_type" => "What is handed in, in exchange for tokens.",
        "code" => "The authorization code: good once, for about a minute, for this client only.",
        "code_verifier" => "The secret behind the challenge. A thief of the code does not have it.",
        "refresh_token" => "Stands for the whole grant. Only ever sent to the token endpoint.",
        "token" => "The token in question.",
        "token_type_hint" => "A hint where to look first; the issuer finds it either way.",
        "id_token_hint" => "An ID token of ours, so that the issuer knows whom and for which client.",
        "post_logout_redirect_uri" => "Where the browser goes afterwards; registered beforehand.",
        "iss" => "Who answered. Stops one issuer’s answer being taken for another’s (RFC 9207).",
        "error" => "The standard’s word for what went wrong; programs read this.",
        "error_description" => "For developers, never to be parsed.",
        "logout_token" => "A signed statement of the issuer that a session has ended.",
        _ => "",
    }
}

/// What a header field is for.
pub(super) fn of_field(name: &str) -> &'static str {
    match name {
        "authorization" => "Who is calling: the client with its secret, or the bearer of a token.",
        "www-authenticate" => "What was wrong with the token, and what would be needed (RFC 6750 §3).",
        "cache-control" => "Tokens must not be kept by anything in between.",
        "retry-after" => "When to come back.",
        _ => "",
    }
}

/// What a claim, or a member of a token's header, says.
pub(super) fn of_claim(name: &str) -> &'static str {
    match name {
        "alg" => "The signature algorithm. The verifier has its own list and does not trust this one.",
        "typ" => "What kind of token this is, so that one kind is never taken for another.",
        "kid" => "Which key of the issuer’s JWKS signed it.",
        "iss" => "Who issued it. Must equal the issuer, byte for byte.",
        "sub" => {
            "The person (or machine), by an identifier that never changes. Use this as the key, not the e-mail address."
        }
        "aud" => "For whom it is meant. Anyone who is not in here must refuse it.",
        "azp" => "The client to which it was issued.",
        "exp" => "Not to be accepted after this.",
        "iat" => "When it was issued.",
        "nbf" => "Not to be accepted before this.",
        "auth_time" => "When the person last proved who they are.",
        "nonce" => "What we sent along with the request; ties the token to it.",
        "acr" => "How strong the sign-in was.",
        "amr" => "How they proved it: pwd is a password.",
        "at_hash" => "Half a hash of the access token that came along: the two belong together.",
        "sid" => "The session at the issuer. A logout token names it to end this one.",
        "jti" => "This token’s own number; revoking it names this.",
        "client_id" => "The client that may use it.",
        "scope" => "What the bearer may do.",
        "grant_id" => "Keywright’s own: the grant it came from. Revoking the grant ends them all.",
        "events" => "Says that this is a logout token and nothing else.",
        "name" => "Full name (scope profile).",
        "given_name" | "family_name" | "middle_name" | "nickname" => "Part of the name (scope profile).",
        "preferred_username" => "How the person is called at the issuer. May change, may be reused: not a key.",
        "email" => "The e-mail address (scope email).",
        "email_verified" => "Whether the issuer has proven that the address is theirs.",
        "locale" | "zoneinfo" => "How the person likes things shown (scope profile).",
        "picture" | "profile" | "website" => "An address on the web (scope profile).",
        "updated_at" => "When the profile last changed.",
        _ => "",
    }
}
