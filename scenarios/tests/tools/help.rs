//! What the tools say of themselves.

use super::expect;

#[test]
fn each_tool_explains_itself() {
    for tool in ["dump", "verify", "salvage", "import", "export"] {
        let ran = expect(0, &[tool, "--help"]);
        insta::assert_snapshot!(format!("help_{tool}"), ran.stdout);
    }
}
