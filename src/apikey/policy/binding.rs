//! Member `binding`: whether a call must prove that it holds more than the text of the key.

use super::{Call, Invalid};
use crate::apikey::words::Thumbprint;
use crate::{apikey::call::Possession, base::digest::from_base64url};
use schemars::JsonSchema;
use serde::Deserialize;

/// Whether calls must prove that they hold a private key (RFC 9449).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// They may; a proof that is shown must be good.
    Optional,
    /// They must.
    Required,
}

/// The member as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Binding", extend("minProperties" = 1))]
pub struct Written {
    /// Whether a call must prove that it holds a private key.
    dpop: Option<Proof>,
    /// The thumbprint of the one key whose proofs count.
    #[schemars(with = "Option<Thumbprint>")]
    jkt: Option<String>,
    /// The SHA-256 of the one client certificate. Not offered while no certificates are read: see
    /// [`Document::admit`](super::Document::admit).
    #[schemars(skip)]
    x5t: Option<String>,
}

/// What a call must prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    dpop: Proof,
    jkt: Option<String>,
    x5t: Option<String>,
}

impl Binding {
    /// Reads the member: `jkt` is the thumbprint of the one key whose proofs count (RFC 7638), and
    /// makes a proof required; `x5t` the SHA-256 of the one client certificate (RFC 8705 §3.1).
    ///
    /// # Errors
    /// [`Invalid`] where a thumbprint is no SHA-256 in base64url, a proof of a certain key is said
    /// to be optional, or nothing is said.
    pub fn read(written: &Written) -> Result<Self, Invalid> {
        let thumbprint = |name: &str, text: &Option<String>| match text {
            Some(text) if from_base64url(text).is_none_or(|bytes| bytes.len() != 32) => {
                Err(Invalid::new(format!("binding.{name}"), "is no SHA-256 in base64url, which has 43 characters"))
            }
            Some(_) | None => Ok(()),
        };
        thumbprint("jkt", &written.jkt)?;
        thumbprint("x5t", &written.x5t)?;
        let dpop = match (written.dpop, &written.jkt, &written.x5t) {
            (None, None, None) => return Err(Invalid::new("binding", "says nothing: leave it out")),
            (Some(Proof::Optional), Some(_), _) => {
                return Err(Invalid::new("binding.dpop", "is optional, which would leave jkt without effect"));
            }
            (Some(proof), ..) => proof,
            (None, Some(_), _) => Proof::Required,
            (None, None, Some(_)) => Proof::Optional,
        };
        Ok(Self { dpop, jkt: written.jkt.clone(), x5t: written.x5t.clone() })
    }

    /// Whether calls must prove that they hold a private key.
    #[must_use]
    pub const fn proof(&self) -> Proof {
        self.dpop
    }

    /// Whether it asks for a client certificate, of which no call has one yet.
    #[must_use]
    pub const fn asks_certificate(&self) -> bool {
        self.x5t.is_some()
    }

    /// Whether the call proves what it must.
    #[must_use]
    pub fn holds(&self, call: &Call<'_>) -> bool {
        let proven = match (self.dpop, &self.jkt) {
            (_, Some(jkt)) => call.dpop == Possession::Of(jkt),
            (Proof::Required, None) => matches!(call.dpop, Possession::Of(_)),
            (Proof::Optional, None) => true,
        };
        proven && self.x5t.as_ref().is_none_or(|x5t| call.certificate == Some(x5t.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apikey::policy::{
        Document,
        sample::{call, document, refused},
    };

    const ONE: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    const OTHER: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

    #[test]
    fn a_call_proves_what_it_must() {
        let bound = format!(r#"{{"jkt":"{ONE}"}}"#);
        let both = format!(r#"{{"dpop":"required","jkt":"{ONE}","x5t":"{OTHER}"}}"#);
        let certificate = format!(r#"{{"x5t":"{OTHER}"}}"#);
        let cases = [
            (r#"{"dpop":"optional"}"#, None, None, true),
            (r#"{"dpop":"optional"}"#, Some(ONE), None, true),
            (r#"{"dpop":"required"}"#, None, None, false),
            (r#"{"dpop":"required"}"#, Some(ONE), None, true),
            (&bound, Some(ONE), None, true),
            (&bound, Some(OTHER), None, false),
            (&bound, None, Some(ONE), false),
            (&certificate, None, Some(OTHER), true),
            (&certificate, Some(OTHER), None, false),
            (&both, Some(ONE), Some(OTHER), true),
            (&both, Some(ONE), None, false),
        ];
        for (written, dpop, certificate, wanted) in cases {
            let document = document(&format!(r#"{{"v":1,"binding":{written}}}"#)).unwrap();
            let call = Call { dpop: dpop.map_or(Possession::Unproven, Possession::Of), certificate, ..call() };
            assert_eq!(document.binding().unwrap().holds(&call), wanted, "{written} {dpop:?} {certificate:?}");
        }
    }

    #[test]
    fn what_asks_for_a_certificate_is_read_where_it_is_stored_and_is_not_stored_any_more() {
        let written = serde_json::json!({"v": 1, "binding": {"dpop": "optional", "x5t": OTHER}});
        let text = written.as_object().unwrap();
        assert!(!Document::read(text).unwrap().binding().unwrap().holds(&call()), "it refuses every call");
        assert_eq!(Document::admit(text).unwrap_err().member(), "binding.x5t");
    }

    #[test]
    fn a_binding_without_effect_is_refused() {
        let optional = format!(r#"{{"dpop":"optional","jkt":"{ONE}"}}"#);
        let cases = [
            (r#"{}"#, "binding"),
            (r#"{"dpop":"maybe"}"#, "binding"),
            (r#"{"jkt":"short"}"#, "binding.jkt"),
            (r#"{"x5t":"c2hvcnQ"}"#, "binding.x5t"),
            (&optional, "binding.dpop"),
        ];
        for (written, member) in cases {
            assert_eq!(refused("binding", written), member, "{written}");
        }
    }
}
