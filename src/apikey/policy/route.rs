//! Member `routes`: the methods and paths that may be called.

use super::{
    Call, Invalid, Reason, bounded,
    path::{Pattern, segments},
    written,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The most routes.
pub const MOST: usize = 64;
/// The most methods of one route.
const METHODS: usize = 16;

/// A route as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Route")]
pub struct Written {
    /// Methods, in capitals; every one where nothing is said.
    #[schemars(length(min = 1, max = 16), inner(regex(pattern = "^[A-Z-]{1,32}$")))]
    methods: Option<Vec<String>>,
    /// A path; `*` stands for a segment, `**` for any number of them.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^/"))]
    path: String,
}

/// What may be called.
#[derive(Clone, Debug)]
pub struct Routes(Vec<Route>);

#[derive(Clone, Debug)]
struct Route {
    /// `None` for every method.
    methods: Option<Vec<String>>,
    path: Pattern,
}

impl Routes {
    /// Reads the member: `**` stands for any number of segments, also none, so that
    /// `/v1/docs/**` is `/v1/docs` and all below.
    ///
    /// # Errors
    /// [`Invalid`] where a pattern could never fit a path that is read, a method is not in
    /// capitals, or there are none or too many of either.
    pub fn read(list: &[Value]) -> Result<Self, Invalid> {
        bounded("routes", list, MOST)?;
        list.iter()
            .enumerate()
            .map(|(n, value)| route(&format!("routes[{n}]"), value))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether method and path may be called.
    ///
    /// # Errors
    /// The [`Reason`] why not.
    pub fn find(&self, call: &Call<'_>) -> Result<(), Reason> {
        let path = segments(call.path.ok_or(Reason::Missing)?).ok_or(Reason::Unreadable)?;
        let mut method_missed = false;
        for route in self.0.iter().filter(|route| route.path.fits(&path)) {
            match (&route.methods, call.method) {
                (None, _) => return Ok(()),
                (Some(methods), Some(method)) if methods.iter().any(|m| m == method) => return Ok(()),
                (Some(_), Some(_)) => {}
                (Some(_), None) => method_missed = true,
            }
        }
        Err(if method_missed { Reason::Missing } else { Reason::NotAllowed })
    }
}

fn route(member: &str, value: &Value) -> Result<Route, Invalid> {
    let Written { methods, path } = written(member, value)?;
    if let Some(methods) = &methods {
        bounded(&format!("{member}.methods"), methods, METHODS)?;
        let capitals =
            |m: &&String| (1..=32).contains(&m.len()) && m.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        if let Some(method) = methods.iter().find(|m| !capitals(m)) {
            return Err(Invalid::new(format!("{member}.methods"), format!("names no method in capitals: {method:?}")));
        }
    }
    let path = Pattern::read(&path).map_err(|why| Invalid::new(format!("{member}.path"), why))?;
    Ok(Route { methods, path })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apikey::policy::sample::{call, found, refused};

    const POLICY: &str =
        r#"[{"methods":["GET"],"path":"/v1/docs/**"},{"methods":["POST"],"path":"/v1/docs"},{"path":"/open"}]"#;

    #[test]
    fn method_and_path_decide_together() {
        use Reason::{Missing, NotAllowed, Unreadable};
        let cases = [
            (Some("GET"), Some("/v1/docs/7"), Ok(())),
            (Some("POST"), Some("/v1/docs"), Ok(())),
            (Some("POST"), Some("/v1/docs/7"), Err(NotAllowed)),
            (Some("get"), Some("/v1/docs/7"), Err(NotAllowed)),
            (Some("HEAD"), Some("/v1/docs/7"), Err(NotAllowed)),
            (Some("GET"), Some("/v1/docs/../admin"), Err(Unreadable)),
            (Some("GET"), Some("/v1/docs/%2e%2e/admin"), Err(Unreadable)),
            (Some("GET"), Some("/v1/docs//7"), Err(Unreadable)),
            (Some("GET"), Some("/admin?x=/v1/docs/7"), Err(NotAllowed)),
            (None, Some("/v1/docs/7"), Err(Missing)),
            (None, Some("/open"), Ok(())),
            (Some("PURGE"), Some("/open"), Ok(())),
            (Some("GET"), None, Err(Missing)),
        ];
        for (method, path, wanted) in cases {
            assert_eq!(found("routes", POLICY, &Call { method, path, ..call() }), wanted, "{method:?} {path:?}");
        }
    }

    #[test]
    fn a_route_that_cannot_be_meant_is_refused_by_its_place() {
        let cases = [
            (r#"[]"#, "routes"),
            (r#"[{"path":"/a"},{"path":"a"}]"#, "routes[1].path"),
            (r#"[{"methods":[],"path":"/a"}]"#, "routes[0].methods"),
            (r#"[{"methods":["get"],"path":"/a"}]"#, "routes[0].methods"),
            (r#"[{"methods":["GET"]}]"#, "routes[0]"),
            (r#"[{"path":"/a","host":"x"}]"#, "routes[0]"),
            (r#"[["/a"]]"#, "routes[0]"),
            (r#"{"path":"/a"}"#, "routes"),
        ];
        for (written, member) in cases {
            assert_eq!(refused("routes", written), member, "{written}");
        }
    }
}
