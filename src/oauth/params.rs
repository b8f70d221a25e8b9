//! Request parameters, as they arrive: each name at most once (RFC 6749 §3.1, §3.2).

use super::{
    code::ErrorCode::InvalidRequest,
    refusal::{Refusal, refuse},
};
use std::collections::BTreeMap;

/// The most parameters in one request.
const MAX_PARAMETERS: usize = 64;
/// The parameters that may be repeated: RFC 8707 §2.
const REPEATABLE: &[&str] = &["resource"];

/// The parameters of one request, decoded. A parameter without a value counts as omitted (RFC
/// 6749 §3.1).
#[derive(Clone, Default)]
pub struct Params(BTreeMap<String, Vec<String>>);

/// Only names are shown: values may be secrets.
impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Params {
    /// Reads `application/x-www-form-urlencoded` text: a query or a body.
    ///
    /// # Errors
    /// `invalid_request` for text that is not UTF-8 once decoded, for broken percent-encoding,
    /// a NUL, or more than 64 parameters.
    pub fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let mut found = BTreeMap::<String, Vec<String>>::new();
        let pieces = text.split(|b| *b == b'&').filter(|piece| !piece.is_empty());
        for (n, piece) in pieces.enumerate() {
            if n >= MAX_PARAMETERS {
                return refuse(InvalidRequest, "more than 64 parameters");
            }
            let at = piece.iter().position(|b| *b == b'=').unwrap_or(piece.len());
            let (name, value) = piece.split_at(at);
            let name = decode(name)?;
            let value = decode(value.strip_prefix(b"=").unwrap_or(value))?;
            if !value.is_empty() {
                found.entry(name).or_default().push(value);
            }
        }
        Ok(Self(found))
    }

    /// From pairs that are decoded already; for tests and for stored requests.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut found = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in pairs {
            found.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        Self(found)
    }

    /// The same, this parameter sent once with this value.
    #[must_use]
    pub fn with(mut self, name: &str, value: String) -> Self {
        self.0.insert(name.to_owned(), vec![value]);
        self
    }

    /// The value of a parameter, if it was sent.
    ///
    /// # Errors
    /// `invalid_request` where it was sent more than once.
    pub fn once(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.0.get(name).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([value]) => Ok(Some(value)),
            Some(_) => Err(repeated(name)),
        }
    }

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    /// `invalid_request` where it is missing or was sent more than once.
    pub fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.once(name)?.ok_or_else(|| Refusal::new(InvalidRequest, format!("{name} is missing")))
    }

    /// All values of a repeatable parameter, in the order sent.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Whether the parameter was sent.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The same parameters as a query: for a form that is to be asked for again by GET.
    #[must_use]
    pub fn to_query(&self) -> String {
        let pairs = self.0.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    /// Refuses the whole request where any parameter but `resource` was sent twice, known to us or not:
    /// whoever reads the request elsewhere may take the other value.
    ///
    /// # Errors
    /// `invalid_request`, naming the parameter where its name is printable.
    pub fn refuse_repeats(&self) -> Result<(), Refusal> {
        let twice = self.0.iter().find(|(name, values)| values.len() > 1 && !REPEATABLE.contains(&name.as_str()));
        twice.map_or(Ok(()), |(name, _)| Err(repeated(name)))
    }
}

fn repeated(name: &str) -> Refusal {
    let plain = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let name = if plain { name } else { "a parameter" };
    Refusal::new(InvalidRequest, format!("{name} was sent more than once"))
}

/// Undoes `application/x-www-form-urlencoded`.
///
/// # Errors
/// `invalid_request` for broken percent-encoding, for what is not UTF-8, and for a NUL.
pub(super) fn decode(text: &[u8]) -> Result<String, Refusal> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let pair = (rest.next().copied().and_then(hex), rest.next().copied().and_then(hex));
                let (Some(high), Some(low)) = pair else {
                    return refuse(InvalidRequest, "a parameter has broken percent-encoding");
                };
                out.push(high << 4 | low);
            }
            other => out.push(*other),
        }
    }
    match String::from_utf8(out) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => refuse(InvalidRequest, "a parameter is not UTF-8 text"),
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_decoded_and_empty_ones_are_omitted() {
        let params = Params::parse(b"a=1%20+2&b=&c&d=%C3%A9").unwrap();
        assert_eq!(params.once("a").unwrap(), Some("1  2"));
        assert_eq!(params.once("b").unwrap(), None);
        assert_eq!(params.once("c").unwrap(), None);
        assert_eq!(params.once("d").unwrap(), Some("é"));
    }

    #[test]
    fn a26_what_is_sent_twice_is_refused_by_name() {
        let params = Params::parse(b"state=1&state=2").unwrap();
        assert_eq!(params.once("state").unwrap_err().because, "state was sent more than once");
        assert_eq!(params.refuse_repeats().unwrap_err().because, "state was sent more than once");
        assert!(Params::parse(b"unknown=1&unknown=2").unwrap().refuse_repeats().is_err());
        assert!(Params::parse(b"resource=a:b&resource=c:d").unwrap().refuse_repeats().is_ok());
    }

    #[test]
    fn broken_text_is_refused() {
        for text in [&b"a=%"[..], b"a=%f", b"a=%zz", b"a=%ff", b"a=\xff", b"a=%00", b"%ff=1"] {
            assert!(Params::parse(text).is_err(), "{text:?}");
        }
        let many = "a=1&".repeat(65);
        assert!(Params::parse(many.as_bytes()).is_err());
    }

    #[test]
    fn a_form_asked_for_again_says_the_same() {
        let params = Params::parse(b"a=1%262+%C3%A9&resource=x%3Ay&resource=z%3Ay").unwrap();
        let again = Params::parse(params.to_query().as_bytes()).unwrap();
        assert_eq!(again.once("a").unwrap(), Some("1&2 é"));
        assert_eq!(again.all("resource").collect::<Vec<_>>(), ["x:y", "z:y"]);
    }

    #[test]
    fn values_never_print() {
        let shown = format!("{:?}", Params::parse(b"client_secret=hunter2").unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    proptest! {
        #[test]
        fn it_never_panics(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Params::parse(&text);
        }
    }
}
