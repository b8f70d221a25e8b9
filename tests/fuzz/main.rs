//! Every parser of what strangers send, driven with mutated input: `docs/decisions` says why this way.
//!
//! One test for each target. `TEST_FUZZ_SECONDS` is how long each runs (1), `TEST_FUZZ_SEED` where its dice begin (1),
//! `TEST_FUZZ_INPUT` a file to run instead: what a failure tells to do.
#![expect(unreachable_pub, reason = "modules here share with each other, and nobody else")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

mod driver;
mod mutate;
mod targets;

macro_rules! one_test_each {
    ($($name:ident)*) => {
        mod no_input_breaks {
            $(#[test]
            fn $name() {
                crate::driver::drive(crate::targets::named(stringify!($name)).expect("it has a row in the table"));
            })*

            #[test]
            fn any_target_without_being_a_test_here() {
                let tested = [$(stringify!($name)),*];
                assert!(crate::targets::ALL.iter().all(|target| tested.contains(&target.name)));
            }
        }
    };
}

one_test_each! {
    form_parameters authorization_requests token_requests bearer_tokens dpop_proofs claims_parameters sign_out_requests
    redirect_uris scopes_and_resources client_addresses credential_text refresh_tokens encodings json_text key_sets
    jwk_documents signed_proofs token_text signed_tokens client_assertions encrypted_tokens encrypted_headers sealed_text client_metadata settings_files declared_clients_files
    api_key_text key_policies key_calls scanned_text
}
