//! What is generated from the source stands in the repository as the source says it.

#[test]
fn the_generated_references_are_as_the_source_says() {
    let drifted = keywright::cli::docs::drifted(std::path::Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(drifted.is_ok_and(|pages| pages.is_empty()), "run `keywright docs`");
}
