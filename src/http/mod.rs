//! Floor 4: the edge. Parses requests and serialises replies, and decides nothing.

pub mod assets;
pub mod give;
