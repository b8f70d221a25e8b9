//! API keys: verified, managed, metered.

pub mod tally;
