//! The unplug binary.
fn main() {}
