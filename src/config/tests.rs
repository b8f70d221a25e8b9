//! Tests of the whole: file and environment together.
