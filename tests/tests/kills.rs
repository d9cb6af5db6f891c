//! A few rounds of the campaign of kills; `cargo run -p frostline-tests --example kills -- 500` runs it for longer.

#[path = "../killed/mod.rs"]
mod killed;

use std::process::Command;

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "the other test starts it"]
fn child() {
    killed::train_as_child().unwrap();
}

#[test]
fn runs_that_are_killed_at_any_moment_end_as_those_that_are_not() {
    let this = std::env::current_exe().unwrap();
    let child = || {
        let mut command = Command::new(&this);
        command.args(["--exact", "child", "--ignored"]);
        command
    };
    let rounds = killed::VARIANTS.len();
    let kills = killed::campaign(child, rounds, 1, |_| ());
    assert!(
        kills >= rounds / 2,
        "{kills} of {rounds} rounds met a run that was going on"
    );
}
