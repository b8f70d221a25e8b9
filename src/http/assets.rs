//! Static files: in the binary, named by the hash of their content, cached for a year.
//!
//! Spec: RFC 9110 §8.8.3 and §13.1.2 (ETag, `If-None-Match`), RFC 9111 §5.2.2, RFC 8246 (`immutable`).

use crate::base::digest::{hex, sha256};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS},
    web::Path,
};
use std::{borrow::Cow, sync::LazyLock};

/// One file, ready to be sent.
struct Asset {
    /// The name that templates use.
    name: &'static str,
    /// Path below the issuer's, with the hash in it.
    url: String,
    /// First eight hexadecimal digits of SHA-256.
    hash: String,
    media_type: &'static str,
    body: Cow<'static, [u8]>,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let css = |text: &str| Cow::Owned(squeezed(text).into_bytes());
    vec![
        asset("keywright.css", "text/css; charset=utf-8", css(include_str!("../../static/keywright.css"))),
        asset("keys.css", "text/css; charset=utf-8", css(include_str!("../../static/keys.css"))),
        asset("keywright.svg", "image/svg+xml", Cow::Borrowed(include_bytes!("../../static/keywright.svg"))),
        asset(
            "password.js",
            "text/javascript; charset=utf-8",
            Cow::Borrowed(include_bytes!("../../static/password.js")),
        ),
        asset(
            "form-post.js",
            "text/javascript; charset=utf-8",
            Cow::Borrowed(include_bytes!("../../static/form-post.js")),
        ),
        asset("copy.js", "text/javascript; charset=utf-8", Cow::Borrowed(include_bytes!("../../static/copy.js"))),
        asset("claim.js", "text/javascript; charset=utf-8", Cow::Borrowed(include_bytes!("../../static/claim.js"))),
    ]
});

fn asset(name: &'static str, media_type: &'static str, body: Cow<'static, [u8]>) -> Asset {
    let hash = hex(&sha256(&body)).chars().take(8).collect::<String>();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "bin"));
    Asset { name, url: format!("/static/{stem}.{hash}.{extension}"), hash, media_type, body }
}

/// A stylesheet without its comments, its indentation, and the spaces beside its punctuation. It
/// serves our own file, in which no string holds any of that.
fn squeezed(css: &str) -> String {
    let mut rest = css;
    let mut kept = String::with_capacity(css.len());
    while let Some((before, after)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    let one_line = kept.split_whitespace().collect::<Vec<_>>().join(" ");
    [(": ", ":"), ("; ", ";"), (", ", ","), (" {", "{"), ("{ ", "{"), (" }", "}"), ("} ", "}"), (";}", "}")]
        .iter()
        .fold(one_line, |text, (wide, narrow)| text.replace(wide, narrow))
}

/// Path of a file, to be appended to the issuer's path: `/static/keywright.1a2b3c4d.css`. A name
/// that is none of ours gives `/static/` and the name, which is answered 404.
#[must_use]
pub fn asset_url(name: &str) -> String {
    ASSETS.iter().find(|a| a.name == name).map_or_else(|| format!("/static/{name}"), |a| a.url.clone())
}

/// Answers GET and HEAD on `/static/{file}`.
///
/// A name with another hash, as an older or newer node of the cluster writes it during an
/// update, gets what we have, to be kept by nobody: better than a page without its style.
pub async fn serve(request: HttpRequest, file: Path<String>) -> HttpResponse {
    let Some((asset, fresh)) = find(&file) else { return HttpResponse::NotFound().finish() };
    let tag = format!("\"{}\"", asset.hash);
    let known = request
        .headers()
        .get_all(IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|one| matches!(one.trim().trim_start_matches("W/"), "*") || one.trim().trim_start_matches("W/") == tag);
    let mut reply = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    let kept = match fresh {
        Named::AsNow => "public, max-age=31536000, immutable",
        Named::Otherwise => "no-cache",
    };
    reply
        .insert_header((ETAG, tag))
        .insert_header((CACHE_CONTROL, kept))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'"));
    if known {
        return reply.finish();
    }
    reply.content_type(asset.media_type);
    match &asset.body {
        Cow::Borrowed(bytes) => reply.body(*bytes),
        Cow::Owned(bytes) => reply.body(bytes.clone()),
    }
}

enum Named {
    AsNow,
    Otherwise,
}

fn find(file: &str) -> Option<(&'static Asset, Named)> {
    let (front, extension) = file.rsplit_once('.')?;
    let (stem, hash) = front.rsplit_once('.')?;
    let asset = ASSETS.iter().find(|a| a.name.rsplit_once('.') == Some((stem, extension)))?;
    let hexadecimal = hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    match hash == asset.hash {
        true => Some((asset, Named::AsNow)),
        false => hexadecimal.then_some((asset, Named::Otherwise)),
    }
}

/// Every file with its path and content, for the test that writes all pages to a folder.
#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    ASSETS.iter().map(|a| (a.url.as_str(), a.body.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{
        App,
        body::to_bytes,
        http::StatusCode,
        test::{TestRequest, call_service, init_service},
        web,
    };

    async fn get(path: &str, tag: Option<&str>) -> (StatusCode, String, String, Vec<u8>) {
        let app = init_service(App::new().route("/static/{file}", web::get().to(serve))).await;
        let mut request = TestRequest::get().uri(path);
        if let Some(tag) = tag {
            request = request.insert_header((IF_NONE_MATCH, tag));
        }
        let reply = call_service(&app, request.to_request()).await;
        let header = |name| reply.headers().get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
        let (status, cache, tag) = (reply.status(), header(CACHE_CONTROL), header(ETAG));
        (status, cache, tag, to_bytes(reply.into_body()).await.unwrap().to_vec())
    }

    #[actix_web::test]
    async fn a_file_is_kept_for_a_year_under_the_name_of_its_content() {
        let (status, cache, tag, body) = get(&asset_url("keywright.css"), None).await;
        assert_eq!(status, StatusCode::OK);
        assert!(cache.contains("immutable") && !body.is_empty());
        let (status, _, _, body) = get(&asset_url("keywright.css"), Some(&tag)).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
        let (status, ..) = get(&asset_url("keywright.css"), Some("\"other\"")).await;
        assert_eq!(status, StatusCode::OK);
    }

    #[actix_web::test]
    async fn a_name_from_another_version_is_served_but_not_kept_and_a_strange_one_is_not_found() {
        let (status, cache, ..) = get("/static/keywright.00000000.css", None).await;
        assert_eq!((status, cache.as_str()), (StatusCode::OK, "no-cache"));
        for strange in ["/static/keywright.css", "/static/x.00000000.css", "/static/keywright.zz.css", "/static/..%2fx"]
        {
            assert_eq!(get(strange, None).await.0, StatusCode::NOT_FOUND, "{strange}");
        }
    }

    #[test]
    fn a_stylesheet_loses_its_comments_and_needless_spaces_only() {
        let css =
            "/* a */\na,\nb c {\n  margin: 1px\n    2px; /* b */\n}\n\n@media (x: y) { a:b > c { x: y; z: 1; } }\n";
        assert_eq!(squeezed(css), "a,b c{margin:1px 2px}@media (x:y){a:b > c{x:y;z:1}}");
    }
}
