use super::*;
use crate::explore::{Exploration, Settings};
use crate::model::Model;

fn explored(requires: &str, ops: &str) -> Exploration {
    let protocol = Protocol::new(Requirements::parse(requires).unwrap());
    crate::CrashTest::new(protocol).ops(ops).run()
}

fn refused(requires: &str) -> String {
    let error = Requirements::parse(requires).unwrap_err();
    format!("{}: {}", error.line, error.message)
}

fn refused_ops(requires: &str, ops: &str) -> String {
    let protocol = Protocol::new(Requirements::parse(requires).unwrap());
    let lines: Vec<String> = ops.lines().map(str::to_string).collect();
    let error = protocol.check_workload(&lines).unwrap_err();
    format!("{}: {}", error.line, error.message)
}

const REPLACE: &str = "create CURRENT\nwrite CURRENT 0 \"old\"\nbegin\ncreate tmp\nwrite tmp 0 \"new\"\nfsync tmp\n\
                       rename tmp CURRENT\nsync_dir .\nmark done";
const OLD_OR_NEW: &str = "always: CURRENT is \"old\" | \"new\"\nafter done: CURRENT is \"new\"";

#[test]
fn a_sound_protocol_holds_and_each_missing_sync_is_found() {
    explored(OLD_OR_NEW, REPLACE).assert_held();
    let without = |step: &str| explored(OLD_OR_NEW, &REPLACE.replace(step, "")).violations.remove(0);
    let violation = without("fsync tmp\n");
    assert_eq!(violation.check, "requirement");
    let story = violation.story.join("\n");
    assert!(story.contains("`always: CURRENT is \"old\" | \"new\"` does not hold"), "{story}");
    assert!(story.contains("CURRENT differs at byte 0 of \"new\""), "{story}");
    let story = without("sync_dir .\n").story.join("\n");
    assert!(story.contains("`after done: CURRENT is \"new\"` does not hold"), "{story}");
}

#[test]
fn what_stands_before_begin_is_durable_and_crashes_in_it_do_not_count() {
    explored("always: d/f is \"x\"", "mkdir d\ncreate d/f\nwrite d/f 0 \"x\"\nbegin").assert_held();
}

#[test]
fn until_counts_from_begin_to_its_mark() {
    let ops = "create f\nbegin\nappend f \"x\"\nmark done\nunlink f\nsync_dir .";
    explored("until done: f exists", ops).assert_held();
    let early = "create f\nbegin\nunlink f\nsync_dir .\nmark done";
    assert_eq!(explored("until done: f exists", early).violations.len(), 1);
}

#[test]
fn a_second_crash_changes_nothing_for_a_protocol_without_recovery() {
    let protocol = Protocol::new(Requirements::parse(OLD_OR_NEW).unwrap());
    crate::CrashTest::new(protocol).ops(REPLACE).depth(2).run().assert_held();
}

#[test]
fn requirements_are_read_lazily() {
    // 64 un-synced sectors, and nobody asks for them.
    let ops = "create f\ncreate g\nbegin\nwrite f 0 fill(1,32768)\nfsync g\nmark done";
    let held = explored("always: f exists", ops);
    held.assert_held();
    assert!(held.recoveries < 20, "{}", held.recoveries);
    // A prefix of a file stops at its first wrong byte.
    let prefix = explored("always: f is a prefix of fill(1,32768) + \"x\" or f exists", ops);
    prefix.assert_held();
    assert!(prefix.recoveries < 600, "{}", prefix.recoveries);
}

#[test]
fn a_step_prints_back_as_it_was_written() {
    let names = Requirements::parse("let new = \"b\\n\" + fill(1,3)*2").unwrap().names;
    for line in [
        "create f",
        "mkdir d",
        "write d/f 7 \"a\\\"\\\\\\x00\"*3 + new + fill(7,5)",
        "append f new*2",
        "truncate f 5",
        "allocate f 0 4096",
        "rename a d/b",
        "link a b",
        "unlink f",
        "rmdir d",
        "fsync f",
        "fdatasync f",
        "sync_dir .",
        "sync_dir d/e",
        "mark done",
        "begin",
    ] {
        assert_eq!(Step::parse(line, &names).unwrap().to_string(), line);
    }
    let content = Step::parse("append f new*2", &names).unwrap();
    let Kind::Append { content, .. } = content.0 else { panic!("{content}") };
    assert_eq!(content.bytes().len(), 16);
}

#[test]
fn requirements_print_back_as_they_were_written() {
    let text = "let old = \"a\"*4096\nlet new = old + fill(3,7)\nalways: f is old | new\n\
                after one and two: f is a prefix of new and not (f missing or g exists)\n\
                until two: f starts with old or (if g exists then g at 512 is \"x\" | \"y\") and h exists\n\
                always: if f missing then if g missing then h exists\n";
    assert_eq!(Requirements::parse(text).unwrap().to_string(), text);
    let wrapped = "# said\nalways: f exists   # first\n  or g exists\n";
    assert_eq!(Requirements::parse(wrapped).unwrap().to_string(), "always: f exists or g exists\n");
}

#[test]
fn a_wrong_requirement_says_where_and_what_was_expected() {
    let when = "expected `always:`, `after MARK:`, `until MARK:` or `let NAME = CONTENT`";
    assert_eq!(refused("\nnever: f exists"), format!("1: {when}, found `never`"));
    assert_eq!(refused("always f exists"), "0: expected `:`, found `f`");
    assert_eq!(refused("after : f exists"), "0: expected a mark, found `:`");
    let predicate = "expected `exists`, `missing`, `is CONTENT`, `is a prefix of CONTENT`, \
                     `starts with CONTENT` or `at OFFSET is CONTENT`";
    assert_eq!(refused("always: f"), format!("0: {predicate}, found the end of the line"));
    let content = "expected a content (\"text\", fill(SEED,LEN), or a name given by `let`)";
    assert_eq!(refused("always: f is new"), format!("0: {content}, found `new`"));
    assert_eq!(refused("always: f is \"a"), "0: expected a closing `\"`, found the end of the line");
    assert_eq!(refused("always: (f exists"), "0: expected `)`, found the end of the line");
    assert_eq!(refused("always: if f exists"), "0: expected `then`, found the end of the line");
    assert_eq!(refused("always: f exists g"), "0: expected the end of the line, found `g`");
    assert_eq!(refused("let a = \"x\"\nlet a = \"y\""), "1: expected a new name, found `a`");
    assert_eq!(refused("let a = \"x\"*99999999999"), "0: expected a content of at most 16777216 bytes");
    assert_eq!(refused("always: f is \"x\" or \"y\""), "0: expected `|` between contents, found `or`");
    assert_eq!(
        refused("always: ../f exists"),
        "0: expected a file, as a path without a leading `/` and without `..`, found `../f`"
    );
}

#[test]
fn a_wrong_workload_says_where_and_what_was_expected() {
    let always = "always: f exists";
    assert_eq!(refused_ops(always, "create f"), "0: expected a line `begin` after the set-up");
    assert_eq!(refused_ops(always, "create f\nbegin\nbegin"), "2: expected `begin` once, found another");
    assert_eq!(refused_ops(always, "mark a"), "0: expected `begin` before a mark");
    assert_eq!(
        refused_ops(always, "begin\nmark a\nmark a"),
        "2: expected another name: `a` was marked before"
    );
    let possible = "expected a step that is possible here; without a crash";
    assert!(refused_ops(always, "begin\nfsync f").starts_with(&format!("1: {possible}: ")));
    assert_eq!(
        refused_ops(always, "begin\nmkdir d"),
        "1: expected `always: f exists` at the end, without a crash; but f is missing"
    );
    assert!(refused_ops(always, "begin\nflush f").starts_with("1: expected a step (create, mkdir, "));
    assert_eq!(refused_ops(always, "write f x"), "0: expected an offset, found `x`");
}

#[test]
fn the_factory_wants_requirements_and_no_bug() {
    let message = |options: &Options, bug| Protocol::from_options(options, bug).err().unwrap();
    let mut options = Options::new();
    assert_eq!(message(&options, None), "expected a key `requires` with at least one requirement");
    options.set(REQUIRES, crate::workload::OptionValue::Text("always: f".into()));
    assert!(message(&options, None).starts_with("line 1 of `requires`: expected `exists`"));
    assert!(message(&options, Some("x")).starts_with("expected no bug"));
}

#[test]
fn a_violation_is_shown_again_from_its_token() {
    let protocol = Protocol::new(Requirements::parse(OLD_OR_NEW).unwrap());
    let lines: Vec<String> = REPLACE.replace("fsync tmp\n", "").lines().map(str::to_string).collect();
    let settings = Settings::new("test", Model::posix());
    let found = protocol.explore(&lines, &settings).unwrap().violations.remove(0);
    let token: crate::explore::Token = found.token.parse().unwrap();
    let again = protocol.reproduce(&lines, &settings, &token.evidence).unwrap();
    assert!(again.exact);
    assert_eq!(again.violation.unwrap().story, found.story);
}

#[test]
fn the_lazy_disk_leaves_a_protocol_what_brute_force_leaves_it() {
    let whole = format!("{OLD_OR_NEW}\nalways: tmp is a prefix of \"new\" or CURRENT exists");
    for (requires, ops) in [
        (whole.as_str(), REPLACE.to_string()),
        (OLD_OR_NEW, REPLACE.replace("fsync tmp\n", "")),
        (
            "always: f is a prefix of \"a\"*600\nalways: if g exists then f at 0 is \"b\" | \"a\"",
            "create f\nappend f \"a\"\nbegin\nappend f \"a\"*599\nlink f g\nunlink g\nsync_dir .".to_string(),
        ),
        (
            "always: d/f exists or e/f exists",
            "mkdir d\nmkdir e\ncreate d/f\nbegin\nrename d/f e/f\nsync_dir d\nsync_dir e".to_string(),
        ),
    ] {
        let protocol = Protocol::new(Requirements::parse(requires).unwrap());
        let lines: Vec<String> = ops.lines().map(str::to_string).collect();
        let steps = explore::parse_workload(&protocol, &lines).unwrap();
        let lazy = explore::outcomes(&protocol, &steps, &Settings::new("test", Model::posix()));
        let brute = crate::materialise::brute_force(&protocol, &steps, &Model::posix(), 1, 20_000).unwrap();
        let missing: Vec<_> = brute.iter().filter(|outcome| !lazy.contains(outcome)).collect();
        let extra: Vec<_> = lazy.iter().filter(|outcome| !brute.contains(outcome)).collect();
        assert!(missing.is_empty() && extra.is_empty(), "missed {missing:#?}\nnot legal {extra:#?}");
    }
}

#[test]
fn the_example_in_the_docs_is_a_sound_scenario() {
    let lines = include_str!("mod.rs").lines();
    let docs = lines.skip_while(|line| *line != "//! ```toml").skip(1).take_while(|line| *line != "//! ```");
    let text: String =
        docs.map(|line| line.trim_start_matches("//!").trim_start().to_string() + "\n").collect();
    let scenario = crate::workload::scenario::Scenario::parse("docs", &text).unwrap();
    let subject = Protocol::from_options(&scenario.factory_options(), None).unwrap();
    let lines = scenario.expand("docs").unwrap().lines;
    subject.explore(&lines, &Settings::new("docs", Model::posix())).unwrap().assert_held();
}
