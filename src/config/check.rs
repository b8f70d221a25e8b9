//! What no single setting can say: rules between settings, and what is allowed but doubtful.

use super::{Config, CountedIn, Synchronous, problem::Problem, setting::Setting};
use crate::{base::moment::Span, jose::Alg};
use std::collections::BTreeSet;

/// Every rule between settings that does not hold.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let mut found = Vec::new();
    listening(config, &mut found);
    gateways(config, &mut found);
    lifetimes(config, &mut found);
    resources(config, &mut found);
    limits(config, &mut found);
    holders(config, &mut found);
    found
}

/// Plain HTTP may leave this machine only behind a proxy that ends TLS, and then the issuer is https.
fn listening(config: &Config, found: &mut Vec<Problem>) {
    let server = &config.server;
    if !server.issuer.is_https() && !server.listen.ip().is_loopback() {
        found.push(Problem::new(
            "server.listen",
            format!("{} would serve plain http to other machines, for server.issuer is {}", server.listen, server.issuer),
            "listen on a loopback address, or put a proxy that ends TLS in front and make server.issuer its https address",
        ));
    }
    if server.metrics_listen == Some(server.listen) {
        found.push(Problem::new(
            "server.metrics_listen",
            "is the same as server.listen",
            "choose another port, one that the public cannot reach",
        ));
    }
}

fn gateways(config: &Config, found: &mut Vec<Problem>) {
    let (gateway, server) = (&config.gateway, &config.server);
    let Some(listen) = gateway.listen else { return };
    if gateway.trusted_peers.is_empty() {
        let wrong = "is empty, so nobody may ask at gateway.listen";
        found.push(Problem::new("gateway.trusted_peers", wrong, "name the addresses that the gateways ask from"));
    }
    // Port 0 is one of the system's choice, another each time.
    if listen.port() != 0 && (listen == server.listen || Some(listen) == server.metrics_listen) {
        let wrong = "is the same as another address that is listened on";
        found.push(Problem::new("gateway.listen", wrong, "choose another port, one that only gateways can reach"));
    }
}

/// Whoever holds keys for us is described wholly or not at all.
fn holders(config: &Config, found: &mut Vec<Problem>) {
    let keys = &config.keys;
    let given = [
        ("keys.pkcs11_module", keys.pkcs11_module.is_some()),
        ("keys.pkcs11_token", keys.pkcs11_token.is_some()),
        ("keys.pkcs11_pin", keys.pkcs11_pin.is_some()),
    ];
    if !keys.transit.is_empty() && config.secrets.vault().is_none() {
        let wrong = "has keys in Transit, and the settings do not say how Vault is reached";
        found.push(Problem::new("keys.transit", wrong, "give secrets.vault_address and a way to sign in"));
    }
    for twice in keys.transit.iter().filter(|alg| keys.pkcs11.contains(alg)) {
        let wrong = format!("has {twice}, and so has keys.pkcs11");
        found.push(Problem::new("keys.transit", wrong, "leave the algorithm to one of them"));
    }
    if keys.pkcs11.is_empty() && given.iter().all(|(_, given)| !given) {
        return;
    }
    for (name, _) in given.iter().filter(|(_, given)| !given) {
        let wrong = "is unset, and a PKCS#11 token needs all of its module, its label and its PIN";
        found.push(Problem::new(*name, wrong, "give it, or take the other settings of keys.pkcs11 away"));
    }
}

fn lifetimes(config: &Config, found: &mut Vec<Problem>) {
    let Config { tokens, keys, sign_in, .. } = config;
    let mut not_beyond = |(name, value): (&str, Span), (other, bound): (&str, Span)| {
        if value > bound {
            let text = |span: Span| span.to_toml().unwrap_or_default();
            let wrong = format!("{} is longer than {other}, {}", text(value), text(bound));
            found.push(Problem::new(name, wrong, format!("make it no longer than {other}")));
        }
    };
    not_beyond(("tokens.refresh_idle", tokens.refresh_idle), ("tokens.refresh_absolute", tokens.refresh_absolute));
    not_beyond(("sign_in.session_idle", sign_in.session_idle), ("sign_in.session_absolute", sign_in.session_absolute));
    // A key that signs before every cached key set has expired makes tokens that cannot be verified.
    not_beyond(("keys.jwks_max_age", keys.jwks_max_age), ("keys.publish_before_use", keys.publish_before_use));
    let together = keys.jwks_max_age + keys.library_cache;
    if keys.jwks_max_age <= keys.publish_before_use && together > keys.publish_before_use {
        let text = |span: Span| span.to_toml().unwrap_or_default();
        let (library, age) = (text(keys.library_cache), text(keys.jwks_max_age));
        let wrong = format!(
            "{library} and keys.jwks_max_age, {age}, are together longer than keys.publish_before_use, {}",
            text(keys.publish_before_use)
        );
        found.push(Problem::new("keys.library_cache", wrong, "make keys.publish_before_use as long as both together"));
    }
    if keys.rotation_period <= keys.publish_before_use {
        let wrong = "is not longer than keys.publish_before_use: successors would be replaced before they sign";
        found.push(Problem::new("keys.rotation_period", wrong, "make it longer"));
    }
}

/// Scopes that mean something to OpenID Connect, whatever an API thinks.
const RESERVED: [&str; 6] = ["openid", "profile", "email", "address", "phone", "offline_access"];

fn resources(config: &Config, found: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for (n, resource) in config.resources.iter().enumerate() {
        if !seen.insert(&resource.identifier) {
            let wrong = format!("{:?} is the identifier of an earlier one", resource.identifier.as_str());
            found.push(Problem::new(format!("resources[{n}].identifier"), wrong, "give each API one table"));
        }
        let mut names = BTreeSet::new();
        for scope in &resource.scopes {
            let reserved = RESERVED.contains(&scope.name.as_str());
            if reserved || !names.insert(&scope.name) {
                let why = if reserved { "is a scope of OpenID Connect" } else { "is listed twice" };
                let wrong = format!("{:?} {why}", scope.name);
                found.push(Problem::new(format!("resources[{n}].scopes"), wrong, "name each scope of the API once"));
            }
        }
    }
}

fn limits(config: &Config, found: &mut Vec<Problem>) {
    if config.limits.store == CountedIn::Redis && config.limits.redis_url.is_none() {
        let wrong = "is unset, and limits.store is \"redis\"";
        found.push(Problem::new("limits.redis_url", wrong, "give it by KEYWRIGHT_LIMITS_REDIS_URL_FILE"));
    }
}

/// What is allowed but doubtful.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let Config { server, tokens, keys, .. } = config;
    let mut found = Vec::new();
    let mut when = |doubtful: bool, what: String| {
        if doubtful {
            found.push(what);
        }
    };
    when(
        server.issuer.is_https() && server.trusted_proxies.is_empty(),
        "server.trusted_proxies is empty though server.issuer is https: if a proxy ends TLS, every caller seems to \
         come from it, and one guesser slows down everybody"
            .into(),
    );
    for everywhere in server.trusted_proxies.iter().filter(|net| net.prefix_len() == 0) {
        when(true, format!("server.trusted_proxies has {everywhere}: anybody can forge the address they come from"));
    }
    for everywhere in config.gateway.trusted_peers.iter().filter(|net| net.prefix_len() == 0) {
        when(true, format!("gateway.trusted_peers has {everywhere}: anybody can say what a gateway says"));
    }
    when(
        config.secrets.kek.is_none() && matches!(config.database_url(), super::DatabaseUrl::Postgres(_)),
        format!(
            "secrets.kek is unset: the key in {} is known to this node alone; give all nodes one key by KEYWRIGHT_KEK_FILE",
            config.kek_file().display()
        ),
    );
    when(
        config.database.sqlite_synchronous == Synchronous::Normal,
        "database.sqlite_synchronous is \"normal\": the last commits, revocations among them, may be lost with the power"
            .into(),
    );
    when(
        config.limits.store == CountedIn::Local && config.limits.redis_url.is_some(),
        "limits.redis_url is given, but limits.store is \"local\": it is not used".into(),
    );
    when(
        keys.rsa_bits < 3072 && matches!(tokens.access_token_signing_alg, Alg::Rs256 | Alg::Ps256),
        format!(
            "keys.rsa_bits is {} and access tokens are signed with RSA: 3072 is what is advised from now on, or ES256",
            keys.rsa_bits
        ),
    );
    if let Some(audience) = &tokens.default_audience {
        let listed = config.resources.iter().any(|resource| resource.identifier == *audience);
        when(
            !listed && !config.resources.is_empty(),
            format!("tokens.default_audience is {audience}, which is none of [[resources]]"),
        );
    }
    found
}
