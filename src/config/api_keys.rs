//! `[api_keys]`: the keys of other people's APIs.

use super::section::section;

section! {
    /// The keys of other people's APIs. What an API decides for its own keys is set with
    /// `keywright api` or over HTTP.
    ApiKeys = "api_keys" {
        /// Random characters in the text of a key, of base 62: 43 are 256 bits. Keys that were made with
        /// another length are no longer known by their form, so this is for a new installation.
        random_length: usize = "43" in "22" .. "128", Restart;
        /// The most keys that are good, or may be again, of one owner for one API. What an operator makes at the
        /// command line or imports is not counted against. Within 30 days an owner may make ten times as many for an API,
        /// whatever becomes of them.
        per_owner: usize = "1000" in "1" .. "1000000", Restart;
        /// Keys that this node keeps in memory, so that no query is needed for them; two to three kilobytes each.
        cached: usize = "3000" in "100" .. "10000000", Restart;
    }
}
