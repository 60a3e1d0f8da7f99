use super::*;

const WHOLE: &str = r##"name = "some-name"
guards = "Says \"what\" it guards."
subject = "toy"
bug = "no-sync"
depth = 2
cap = 100
limit = 200
options = { compact_ops = 8, recycle = true, sync = "manual" }
models = { posix = "violated" }
ops = '''
put a 1   # comments stay

repeat 4
  put k{i%2} "{i}"
  every 2 sync
end
# a whole line
reopen
put "#" 2
'''
"##;

fn refused(change: impl Fn(&str) -> String) -> String {
    let text = change(WHOLE);
    let result = Scenario::parse("f.toml", &text).and_then(|s| s.expand("f.toml").map(drop));
    result.expect_err(&text).to_string()
}

fn refused_ops(ops: &str) -> String {
    refused(|text| text.split("put a 1").next().unwrap().to_string() + ops + "\n'''\n")
}

#[test]
fn a_canonical_file_prints_back_byte_for_byte() {
    let scenario = Scenario::parse("f.toml", WHOLE).unwrap();
    assert_eq!(scenario.to_string(), WHOLE);
    assert_eq!(scenario.ops_line, 11);
    let small =
        "name = \"a\"\nguards = \"b\"\nsubject = \"c\"\nmodels = { posix = \"held\" }\nops = '''\n'''\n";
    assert_eq!(Scenario::parse("f.toml", small).unwrap().to_string(), small);
}

#[test]
fn tables_and_plain_strings_are_read_too() {
    let text =
        "name = 'a'\nguards = 'b'\nsubject = 'c'\nops = \"put a 1\\nsync\"\n[models]\nposix = 'held'\n";
    let scenario = Scenario::parse("f.toml", text).unwrap();
    assert_eq!((scenario.ops.as_str(), scenario.ops_line), ("put a 1\nsync\n", 4));
}

#[test]
fn blocks_are_written_out_with_the_line_they_came_from() {
    let workload = Scenario::parse("f.toml", WHOLE).unwrap().expand("f.toml").unwrap();
    let lines: Vec<&str> = workload.lines.iter().map(String::as_str).collect();
    assert_eq!(
        lines,
        [
            "put a 1",
            "put k0 \"0\"",
            "put k1 \"1\"",
            "sync",
            "put k0 \"2\"",
            "put k1 \"3\"",
            "sync",
            "reopen",
            "put \"#\" 2"
        ]
    );
    assert_eq!(workload.origins, [11, 14, 14, 15, 14, 14, 15, 18, 19]);
}

#[test]
fn a_wrong_file_says_where_and_what_was_expected() {
    let with = |from: &'static str, to: &'static str| refused(move |text| text.replace(from, to));
    assert_eq!(with("depth = 2", "deep = 2"), {
        "f.toml:5: unknown field `deep`, expected one of `name`, `guards`, `subject`, `bug`, `depth`, \
         `kill`, `faults`, `sweep`, `cap`, `limit`, `options`, `models`, `ops`, `requires`"
    });
    assert_eq!(with("depth = 2", "depth = 9"), "f.toml:5: expected a depth from 1 to 8, found 9");
    assert_eq!(with("cap = 100", "cap = 0"), "f.toml:6: expected `cap` to be at least 1");
    assert_eq!(with("some-name", "Some Name"), "f.toml:1: expected a name of a-z 0-9 -, found `Some Name`");
    assert_eq!(with("\"toy\"", "\"\""), "f.toml:3: expected `subject` to be one line of text");
    assert_eq!(with("subject = \"toy\"\n", ""), "f.toml: missing field `subject`");
    let models = "expected a table `models`, for example models = { posix = \"held\" }";
    assert_eq!(with("models = { posix = \"violated\" }\n", ""), format!("f.toml: {models}"));
    assert_eq!(with("{ posix = \"violated\" }", "{}"), format!("f.toml:9: {models}"));
    assert_eq!(with("violated", "broken"), "f.toml:9: expected \"held\" or \"violated\", found \"broken\"");
    assert!(with("posix", "zfs").starts_with("f.toml:9: unknown model `zfs`: expected one of posix"));
    assert_eq!(
        with("compact_ops = 8", "compact_ops = 8.5"),
        "f.toml:8: option `compact_ops`: expected a text, a whole number, true or false, found: float"
    );
    assert!(with("depth = 2", "depth = ").starts_with("f.toml:5: "));
    assert!(with("cap = 100", "cap = -1").starts_with("f.toml:6: "));
}

#[test]
fn a_wrong_block_says_where_and_what_was_expected() {
    assert_eq!(refused_ops("repeat\nend"), "f.toml:11: expected `repeat N`, N from 1 up");
    assert_eq!(refused_ops("repeat 0\nend"), "f.toml:11: expected `repeat N`, N from 1 up");
    assert_eq!(refused_ops("sync\nrepeat 2\nsync"), "f.toml:12: expected `end` for this `repeat`");
    assert_eq!(refused_ops("end"), "f.toml:11: expected `repeat N` before `end`");
    assert_eq!(
        refused_ops("repeat 2\nrepeat 2\nend"),
        "f.toml:12: expected `end` first: `repeat` blocks do not nest"
    );
    assert_eq!(refused_ops("every 2 sync"), "f.toml:11: expected `every` within a `repeat` block only");
    assert_eq!(refused_ops("repeat 1\nevery x y\nend"), "f.toml:12: expected `every M LINE`, M from 1 up");
    assert_eq!(refused_ops("repeat 1\nput {j} 1\nend"), "f.toml:12: expected `{i}` or `{i%K}`, K from 1 up");
    assert_eq!(
        refused_ops("repeat 1\nput {i%0} 1\nend"),
        "f.toml:12: expected `{i}` or `{i%K}`, K from 1 up"
    );
    assert_eq!(refused_ops("repeat 9999999\nsync\nend"), "f.toml:11: expected at most 1000000 operations");
}

#[test]
fn a_comment_starts_at_a_hash_outside_quotes() {
    assert_eq!(split_comment("put \"a#\\\"#\" 1 # c"), ("put \"a#\\\"#\" 1 ", "# c"));
    assert_eq!(split_comment("sync"), ("sync", ""));
}

const PROTOCOL: &str = r##"# What it is.
#
# Where it comes from.
name = "a-protocol"
guards = "A mark keeps its promise."
subject = "protocol"
models = { posix = "held" }
ops = '''
begin
create f   # empty
fsync f
sync_dir .
mark done
'''
requires = '''
let empty = ""
after done: f is empty   # always
'''
"##;

fn refused_protocol(from: &str, to: &str) -> String {
    assert!(PROTOCOL.contains(from));
    refused(|_| PROTOCOL.replace(from, to))
}

#[test]
fn a_protocol_s_comment_and_requirements_print_back_byte_for_byte() {
    let scenario = Scenario::parse("f.toml", PROTOCOL).unwrap();
    assert_eq!(scenario.to_string(), PROTOCOL);
    assert_eq!(scenario.comment.lines().count(), 3);
    assert_eq!((scenario.ops_line, scenario.requires_line), (9, 16));
    assert_eq!(scenario.expand("f.toml").unwrap().origins, [9, 10, 11, 12, 13]);
    let options = scenario.factory_options();
    let text = options.reader().text("requires").unwrap().unwrap().to_string();
    assert_eq!(text, "let empty = \"\"\nafter done: f is empty   # always\n");
}

#[test]
fn a_wrong_requirement_says_its_line_in_the_file() {
    assert_eq!(
        refused_protocol("f is empty", "f is full"),
        "f.toml:17: expected a content (\"text\", fill(SEED,LEN), or a name given by `let`), found `full`"
    );
    assert_eq!(
        refused_protocol("after done", "after dune"),
        "f.toml:17: expected a mark of `ops`, found `dune`"
    );
    assert_eq!(refused_protocol("let empty =", "let empty"), "f.toml:16: expected `=`, found \"\"");
}
