//! Tests of the application as a whole, without an issuer.
