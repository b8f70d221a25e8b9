//! `section!`: the one place where a setting is written down. From a single line it makes the
//! field, its documentation, its default, its range, its line in the reference and its check.

use super::{reader::Reader, setting::Setting};

/// When a changed value takes hold after a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// At once, on the next request.
    Live,
    /// At the next start of the process.
    Restart,
}

/// What is known about one setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// Its name within its section.
    pub(super) name: &'static str,
    /// Its documentation, line by line.
    pub(super) doc: &'static [&'static str],
    /// What to write there, such as "a length of time".
    pub(super) what: &'static str,
    /// Its default as an operator would write it in the environment; `None` where there is none.
    pub(super) default: Option<&'static str>,
    /// Its default as TOML.
    pub(super) default_toml: fn() -> Option<String>,
    /// The least and the greatest value, where it has a range.
    pub(super) range: Option<(&'static str, &'static str)>,
    /// Whether its value may be secret.
    pub(super) secret: bool,
    /// When a change takes hold.
    pub(super) when: When,
}

/// A section of the file: a struct whose fields are settings.
pub(super) trait Section: Sized {
    /// The name of its table.
    const NAME: &'static str;
    /// Its documentation, line by line.
    const DOC: &'static [&'static str];
    /// Its settings, in order.
    const FIELDS: &'static [Field];
    /// Reads every setting, reporting each problem; `None` where there was any.
    fn read(from: &mut Reader<'_, '_>) -> Option<Self>;
    /// The names of the settings that differ.
    fn differences(&self, other: &Self) -> Vec<&'static Field>;
    /// Its values as TOML, secrets masked: one pair for each setting.
    fn shown(&self) -> Vec<(&'static Field, Option<String>)>;
}

/// A default as TOML, for [`Field::default_toml`].
pub(super) fn as_toml<T: Setting>(default: Option<&str>) -> Option<String> {
    match default {
        Some(text) => T::from_text(text).ok().and_then(|value| value.to_toml()),
        None => T::absent().and_then(|value| value.to_toml()),
    }
}

/// Writes a section: see the files beside this one.
macro_rules! section {
    ($(#[doc = $doc:literal])+ $name:ident = $section:literal {
        $( $(#[doc = $fdoc:literal])+
           $field:ident : $ty:ty $(= $default:literal $(in $low:literal .. $high:literal)?)?, $when:ident; )+
    }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        pub struct $name { $( $(#[doc = $fdoc])+ pub $field: $ty, )+ }

        impl $crate::config::section::Section for $name {
            const NAME: &'static str = $section;
            const DOC: &'static [&'static str] = &[$($doc),+];
            const FIELDS: &'static [$crate::config::section::Field] = &[$({
                const DEFAULT: Option<&str> = $crate::config::section::section!(@last None $(, Some($default))?);
                $crate::config::section::Field {
                    name: stringify!($field),
                    doc: &[$($fdoc),+],
                    what: <$ty as $crate::config::setting::Setting>::WHAT,
                    default: DEFAULT,
                    default_toml: || $crate::config::section::as_toml::<$ty>(DEFAULT),
                    range: $crate::config::section::section!(@last None $($(, Some(($low, $high)))?)?),
                    secret: <$ty as $crate::config::setting::Setting>::SECRET,
                    when: $crate::config::section::When::$when,
                }
            }),+];
            fn read(from: &mut $crate::config::reader::Reader<'_, '_>) -> Option<Self> {
                from.refuse_unknown(Self::FIELDS);
                // Every field is read before any may be found missing, so that all problems are told.
                $(let $field = from.take::<$ty>(Self::FIELDS, stringify!($field));)+
                Some(Self { $($field: $field?),+ })
            }
            fn differences(&self, other: &Self) -> Vec<&'static $crate::config::section::Field> {
                let mut names: Vec<&str> = Vec::new();
                $(if !$crate::config::setting::Setting::same(&self.$field, &other.$field) {
                    names.push(stringify!($field));
                })+
                Self::FIELDS.iter().filter(|field| names.contains(&field.name)).collect()
            }
            fn shown(&self) -> Vec<(&'static $crate::config::section::Field, Option<String>)> {
                let values = [$($crate::config::setting::Setting::to_toml(&self.$field)),+];
                Self::FIELDS.iter().zip(values).collect()
            }
        }
    };
    (@last $only:expr) => { $only };
    (@last $first:expr, $last:expr) => { $last };
}
pub(super) use section;
