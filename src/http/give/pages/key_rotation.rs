//! How far a rotation is, on the page of either of its keys.

use super::When;

/// A rotation whose overlap runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotating {
    /// The key that ends with the overlap.
    pub old: RotatingKey,
    /// The key that took its place.
    pub new: RotatingKey,
    /// When the overlap ends.
    pub ends: Option<When>,
    /// From when on places are counted.
    pub since: When,
    /// From where the old key was used since, the busiest first.
    pub places: Vec<PlaceLine>,
    /// Calls since from further places.
    pub others: u64,
}

/// One of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotatingKey {
    /// Its handle.
    pub id: String,
    /// What it is known by.
    pub hint: String,
    /// When it was used first.
    pub first: Option<When>,
    /// When it was used last.
    pub last: Option<When>,
    /// From which address it was then.
    pub address: Option<String>,
    /// What the program said then that it is.
    pub agent: Option<String>,
}

/// A place from which a key is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceLine {
    /// The address.
    pub address: Option<String>,
    /// What the program says it is.
    pub agent: Option<String>,
    /// How many calls.
    pub calls: u64,
    /// When the last was.
    pub last: When,
}
