//! A word that stands out, and how it is meant.

/// What state a key is in, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Badge {
    /// The word.
    pub word: &'static str,
    /// Whether all is well.
    pub tone: Tone,
}

/// How a word is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Something is to be done.
    Warn,
    /// It is over.
    Over,
}

impl Badge {
    pub(super) const fn class(self) -> &'static str {
        match self.tone {
            Tone::Good => "tag",
            Tone::Warn => "tag warn",
            Tone::Over => "tag over",
        }
    }
}
