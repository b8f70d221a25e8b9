//! What each gateway sends and understands: one table, from their sources and from trials.

/// Where something about the client's request is found in the gateway's question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a field that the gateway sets itself.
    Field(&'static str),
    /// In the question's own request line, or its field `Host`.
    RequestLine,
}

/// How a refusal is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusing {
    /// By its status: the gateway hands everything on.
    Plainly,
    /// By 401 or 403, for anything else would become 500; what is meant stands in `X-Auth-Status`.
    ByTwoStatuses,
}

/// Whose the query of the question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// The operator's: what is not known in it is a mistake.
    Operator,
    /// The operator's, or else the client's, who can only make the question stricter by it.
    OperatorOrClient,
    /// The client's.
    Client,
}

/// A gateway.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name in the path.
    pub name: &'static str,
    /// Where the client's method is.
    pub method: Source,
    /// Where the client's path and query are.
    pub uri: Source,
    /// Where the host is that the client called. The scheme is in `X-Forwarded-Proto` for all of them.
    pub host: Source,
    /// How a refusal is told.
    pub refusing: Refusing,
    /// Whose the query is.
    pub query: Query,
    /// The field that tells it which of the client's fields the application must not see, and its value.
    pub strips: Option<(&'static str, &'static str)>,
}

const FORWARDED: Profile = Profile {
    name: "",
    method: Source::Field("x-forwarded-method"),
    uri: Source::Field("x-forwarded-uri"),
    host: Source::Field("x-forwarded-host"),
    refusing: Refusing::Plainly,
    query: Query::Operator,
    strips: None,
};

/// Every gateway. The client's address is in `X-Forwarded-For` for all of them: Envoy's
/// `x-envoy-external-address` is as good only where Envoy sets both, and a client's own where it does not.
pub static PROFILES: [Profile; 5] = [
    Profile {
        name: "nginx",
        method: Source::Field("x-original-method"),
        uri: Source::Field("x-original-uri"),
        refusing: Refusing::ByTwoStatuses,
        ..FORWARDED
    },
    Profile { name: "traefik", ..FORWARDED },
    // It leaves the client's query on the question where the operator wrote no `?`.
    Profile { name: "caddy", query: Query::OperatorOrClient, ..FORWARDED },
    Profile {
        name: "envoy",
        method: Source::RequestLine,
        uri: Source::RequestLine,
        host: Source::RequestLine,
        query: Query::Client,
        strips: Some(("x-envoy-auth-headers-to-remove", "x-api-key,authorization,dpop")),
        ..FORWARDED
    },
    Profile { name: "apisix", ..FORWARDED },
];

/// The gateway and the API that a path names, and the rest of it; `None` where it names none.
#[must_use]
pub fn of(path: &str) -> Option<(&'static Profile, &str, &str)> {
    let (gateway, rest) = path.strip_prefix("/auth/")?.split_once('/')?;
    let profile = PROFILES.iter().find(|profile| profile.name == gateway)?;
    let (api, rest) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
    // What an API may be called, or its identifier. Nothing else is looked for.
    let named = !api.is_empty() && api.len() <= 64;
    let named = named && api.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    named.then_some((profile, api, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_gateway_and_an_api() {
        let named = |path| of(path).map(|(profile, api, rest)| (profile.name, api, rest));
        assert_eq!(named("/auth/nginx/docs"), Some(("nginx", "docs", "")));
        assert_eq!(named("/auth/envoy/docs//v1/%2e%2e"), Some(("envoy", "docs", "//v1/%2e%2e")));
        assert_eq!(named("/auth/caddy/api_7/"), Some(("caddy", "api_7", "/")));
        for nothing in [
            "/",
            "/auth/nginx",
            "/auth/nginx/",
            "/auth/kong/docs",
            "/auth//docs",
            "/auth/nginx/a%20b",
            "//auth/nginx/docs",
        ] {
            assert_eq!(named(nothing), None, "{nothing}");
        }
    }
}
