//! A program that brings no tools and no store to kill says so.

#[allow(dead_code, reason = "its main is not called here")]
#[path = "../examples/own_binary.rs"]
mod own_binary;

use unplug_cli::exit;

#[test]
fn what_a_program_does_not_bring_is_a_usage_error() {
    for args in [
        &["dump", "x"][..],
        &["verify", "x"],
        &["salvage", "x", "y"],
        &["import", "x", "y"],
        &["export", "x", "y"],
        &["kill", "x"],
    ] {
        let code = unplug_cli::run(&own_binary::registry(), [&["own_binary"], args].concat());
        assert_eq!(code, exit::USAGE, "{args:?}");
    }
    assert!(!std::path::Path::new("x").exists());
}
