//! How one setting is read from text or from TOML, and how it is written back.

use crate::base::{
    digest::{from_base64url, from_hex},
    moment::Span,
    secret::Secret,
    uri::{Issuer, Resource},
};
use ipnet::IpNet;
use std::{cmp::Ordering, net::SocketAddr, path::PathBuf};
use toml::Value;

/// The most characters of a refused value that a message repeats.
const ECHO: usize = 60;

/// A type that a setting may have.
pub(super) trait Setting: Sized {
    /// What to write, for the reference and after "write" in a message.
    const WHAT: &'static str;
    /// Whether values of it are secret: then they are never repeated in a message.
    const SECRET: bool = false;
    /// Whether commas divide it in the environment.
    const LIST: bool = false;

    /// Reads the text of an environment variable, or a TOML string.
    ///
    /// # Errors
    /// What is wrong with it, such as `has no unit`, without the value itself.
    fn from_text(text: &str) -> Result<Self, String>;

    /// Reads a TOML value.
    ///
    /// # Errors
    /// As [`Setting::from_text`].
    fn from_toml(value: &Value) -> Result<Self, String> {
        value.as_str().ok_or_else(|| wrong_kind(value)).and_then(Self::from_text)
    }
    /// The value where none is given and there is no default: only optional ones and lists have one.
    fn absent() -> Option<Self> {
        None
    }
    /// As TOML, masked where it is secret; `None` where there is nothing to write.
    fn to_toml(&self) -> Option<String>;
    /// Whether two values are the same.
    fn same(&self, other: &Self) -> bool {
        self.to_toml() == other.to_toml()
    }
    /// Whether this very value is a secret that should not lie in a readable file.
    fn holds_secret(&self) -> bool {
        false
    }
    /// The order of two values, for types that may have a range.
    fn order(&self, _other: &Self) -> Option<Ordering> {
        None
    }
}

/// "is an array": for a TOML value of a kind that cannot be meant.
pub(super) fn wrong_kind(value: &Value) -> String {
    let kind = value.type_str();
    let article = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("is {article} {kind}")
}

/// A refused value as a message repeats it: quoted and cut.
pub(super) fn echo(text: &str) -> String {
    let cut: String = text.chars().take(ECHO).collect();
    if cut.len() < text.len() { format!("{cut:?}...") } else { format!("{cut:?}") }
}

/// A TOML string.
pub(super) fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

macro_rules! whole_numbers {
    ($($ty:ty),+) => { $(
        impl Setting for $ty {
            const WHAT: &'static str = "a whole number";
            fn from_text(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| format!("{} is not a whole number that fits here", echo(text)))
            }
            fn from_toml(value: &Value) -> Result<Self, String> {
                let n = value.as_integer().ok_or_else(|| wrong_kind(value))?;
                Self::try_from(n).map_err(|_| format!("{n} does not fit here"))
            }
            fn to_toml(&self) -> Option<String> {
                Some(self.to_string())
            }
            fn order(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
    )+ };
}
whole_numbers!(u16, u32, u64, usize);

impl Setting for bool {
    const WHAT: &'static str = "true or false";
    fn from_text(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| format!("{} is neither", echo(text)))
    }
    fn from_toml(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| wrong_kind(value))
    }
    fn to_toml(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for String {
    const WHAT: &'static str = "a text";
    fn from_text(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("is empty".into()),
            _ if text.chars().any(char::is_control) => Err("has a control character".into()),
            trimmed => Ok(trimmed.to_owned()),
        }
    }
    fn to_toml(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl Setting for PathBuf {
    const WHAT: &'static str = "a path";
    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("is empty".into()) } else { Ok(Self::from(text)) }
    }
    fn to_toml(&self) -> Option<String> {
        Some(quoted(&self.to_string_lossy()))
    }
}

impl Setting for SocketAddr {
    const WHAT: &'static str = "an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{} is not an IP address with a port", echo(text)))
    }
    fn to_toml(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

/// A network; a lone address is the network of that address alone.
impl Setting for IpNet {
    const WHAT: &'static str = "an IP network or address, such as \"10.0.0.0/8\" or \"::1\"";
    fn from_text(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match (text.parse::<Self>(), text.parse::<std::net::IpAddr>()) {
            (Ok(net), _) if net.addr() != net.network() => {
                Err(format!("{} has bits beyond its prefix: the network is {}", echo(text), net.trunc()))
            }
            (Ok(net), _) => Ok(net),
            (Err(_), Ok(address)) => Ok(Self::from(address)),
            (Err(_), Err(_)) => Err(format!("{} is not an IP network", echo(text))),
        }
    }
    fn to_toml(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Setting for Issuer {
    const WHAT: &'static str =
        "an https URL without a slash at its end, such as \"https://id.example\" (http for loopback hosts only)";
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|e| format!("{} {e}", echo(text)))
    }
    fn to_toml(&self) -> Option<String> {
        Some(quoted(self.as_str()))
    }
}

impl Setting for Resource {
    const WHAT: &'static str = "an absolute URI without a fragment, such as \"https://api.example\"";
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|e| format!("{} {e}", echo(text)))
    }
    fn to_toml(&self) -> Option<String> {
        Some(quoted(self.as_str()))
    }
}

/// The units of lengths of time, longest first, with their microseconds.
const UNITS: [(&str, i64); 5] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1000)];

/// Reads a length of time as settings are written, such as `30s` or `12h`.
///
/// # Errors
/// What is wrong with it.
pub fn span(text: &str) -> Result<Span, String> {
    Span::from_text(text)
}

impl Setting for Span {
    const WHAT: &'static str = "a length of time, such as \"250ms\", \"30s\", \"5m\", \"12h\" or \"90d\"";
    fn from_text(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        if number.is_empty() {
            return Err(format!("{} does not begin with a number", echo(text)));
        }
        let Some((_, micros)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(match unit {
                "" => format!("{} has no unit (ms, s, m, h or d)", echo(text)),
                _ => format!("{} has a unit that is not ms, s, m, h or d", echo(text)),
            });
        };
        let whole: Option<i64> = number.parse().ok().and_then(|n: i64| n.checked_mul(*micros));
        whole.map(|n| Self::millis(n / 1000)).ok_or_else(|| format!("{} is too long", echo(text)))
    }
    fn from_toml(value: &Value) -> Result<Self, String> {
        match value.as_integer() {
            Some(n) => Err(format!("{n} has no unit (ms, s, m, h or d)")),
            None => value.as_str().ok_or_else(|| wrong_kind(value)).and_then(Self::from_text),
        }
    }
    fn to_toml(&self) -> Option<String> {
        let micros = self.as_micros();
        let (unit, size) =
            UNITS.iter().find(|(_, size)| micros != 0 && micros % size == 0).unwrap_or(&("s", 1_000_000));
        Some(quoted(&format!("{}{unit}", micros / size)))
    }
    fn order(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A key of 32 bytes: 64 hexadecimal digits, or 43 characters of base64url.
impl Setting for Secret<[u8; 32]> {
    const WHAT: &'static str = "32 random bytes as 64 hexadecimal digits (`openssl rand -hex 32`) or as base64url";
    const SECRET: bool = true;
    fn from_text(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let bytes = match text.len() {
            64 => from_hex(text),
            _ => from_base64url(text.trim_end_matches('=')),
        };
        match bytes.map(<[u8; 32]>::try_from) {
            Some(Ok(key)) if key == [0; 32] => Err("is all zeros".into()),
            Some(Ok(key)) => Ok(Self::new(key)),
            _ => Err("is not 32 bytes".into()),
        }
    }
    fn to_toml(&self) -> Option<String> {
        Some(quoted("[secret]"))
    }
    fn same(&self, other: &Self) -> bool {
        self.matches(other.expose())
    }
    fn holds_secret(&self) -> bool {
        true
    }
}

/// A text of visible ASCII characters that is secret.
impl Setting for Secret<String> {
    const WHAT: &'static str = "visible ASCII characters";
    const SECRET: bool = true;
    fn from_text(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("is empty".into()),
            text if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Self::new(text.to_owned())),
            _ => Err("has a character that is not visible ASCII".into()),
        }
    }
    fn to_toml(&self) -> Option<String> {
        Some(quoted("[secret]"))
    }
    fn same(&self, other: &Self) -> bool {
        self.matches(other.expose().as_bytes())
    }
    fn holds_secret(&self) -> bool {
        true
    }
}

impl<T: Setting> Setting for Option<T> {
    const WHAT: &'static str = T::WHAT;
    const SECRET: bool = T::SECRET;
    const LIST: bool = T::LIST;
    fn from_text(text: &str) -> Result<Self, String> {
        T::from_text(text).map(Some)
    }
    fn from_toml(value: &Value) -> Result<Self, String> {
        T::from_toml(value).map(Some)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
    fn to_toml(&self) -> Option<String> {
        self.as_ref().and_then(T::to_toml)
    }
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Some(a), Some(b)) => a.same(b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
    fn holds_secret(&self) -> bool {
        self.as_ref().is_some_and(T::holds_secret)
    }
    fn order(&self, other: &Self) -> Option<Ordering> {
        self.as_ref().zip(other.as_ref()).and_then(|(a, b)| a.order(b))
    }
}

/// A list: an array in TOML, separated by commas in the environment.
impl<T: Setting> Setting for Vec<T> {
    const WHAT: &'static str = T::WHAT;
    const SECRET: bool = T::SECRET;
    const LIST: bool = true;
    fn from_text(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(T::from_text).collect()
    }
    fn from_toml(value: &Value) -> Result<Self, String> {
        let Some(items) = value.as_array() else {
            return Err(format!("{}, and a list is wanted", wrong_kind(value)));
        };
        let read = |(n, item)| T::from_toml(item).map_err(|wrong| format!("item {}: {wrong}", n + 1));
        items.iter().enumerate().map(read).collect()
    }
    fn absent() -> Option<Self> {
        Some(Self::new())
    }
    fn to_toml(&self) -> Option<String> {
        let items: Vec<String> = self.iter().filter_map(T::to_toml).collect();
        Some(format!("[{}]", items.join(", ")))
    }
    fn same(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(a, b)| a.same(b))
    }
    fn holds_secret(&self) -> bool {
        self.iter().any(T::holds_secret)
    }
}

/// Writes an enum whose values are words.
macro_rules! choice {
    ($(#[doc = $doc:literal])+ $name:ident: $what:literal { $($(#[doc = $vdoc:literal])+ $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $vdoc])+ $variant),+ }
        impl $name {
            /// The word that stands for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl $crate::config::setting::Setting for $name {
            const WHAT: &'static str = $what;
            fn from_text(text: &str) -> Result<Self, String> {
                match text.trim() {
                    $($word => Ok(Self::$variant),)+
                    other => Err(format!("{} is none of them", $crate::config::setting::echo(other))),
                }
            }
            fn to_toml(&self) -> Option<String> {
                Some($crate::config::setting::quoted(self.as_str()))
            }
        }
    };
}
pub(super) use choice;
