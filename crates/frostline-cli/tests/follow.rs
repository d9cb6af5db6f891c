//! `frostline report --follow` draws the page of runs that go on.

#[expect(dead_code, reason = "the other test programs use the rest")]
mod made_up_run;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use made_up_run::begin;

/// A process that ends with the test.
struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

fn follow(arguments: &[&str], folder: &Path) -> Following {
    let child = Command::new(env!("CARGO_BIN_EXE_frostline"))
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    Following(child.unwrap())
}

/// Waits until the page says this; a page that never does is a failure.
fn page_that_says(path: &Path, wanted: impl Fn(&str) -> bool) -> String {
    let began = Instant::now();
    loop {
        let page = std::fs::read_to_string(path).unwrap_or_default();
        if wanted(&page) {
            // Written aside and renamed: whole whenever it is read.
            assert!(page.trim_end().ends_with("</html>"));
            return page;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{page}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

const RELOADS: &str = "<meta http-equiv=\"refresh\"";

#[test]
fn the_page_grows_with_its_run_and_ends_with_it() {
    let temp = tempfile::tempdir().unwrap();
    let mut run = begin(&temp.path().join("run"), "growing", true);
    (0..=100).for_each(|step| run.step(step));
    let mut following = follow(
        &["report", "run", "--follow", "-o", "page.html"],
        temp.path(),
    );
    let path = temp.path().join("page.html");
    let page = page_that_says(&path, |page| {
        page.contains("no end recorded, step 100 of 400")
    });
    assert!(page.contains(RELOADS) && !page.contains("<script"));

    (101..=400).for_each(|step| run.step(step));
    let page = page_that_says(&path, |page| {
        page.contains("no end recorded, step 400 of 400")
    });
    assert!(page.contains(RELOADS));
    assert!(
        page.contains("100 % of training"),
        "new checkpoints are compared"
    );

    run.finish();
    assert!(following.0.wait().unwrap().success(), "it ends by itself");
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.contains("71.30 % (10,000 samples)") && !page.contains(RELOADS));
    let left = std::fs::read_dir(temp.path()).unwrap().count();
    assert_eq!(left, 2, "the run and the page");
}

#[test]
#[cfg(unix)]
fn ctrl_c_leaves_a_page_that_no_longer_loads_itself_anew() {
    let temp = tempfile::tempdir().unwrap();
    let mut run = begin(&temp.path().join("run"), "growing", false);
    (0..=60).for_each(|step| run.step(step));
    let mut following = follow(&["report", "run", "--follow"], temp.path());
    let path = temp.path().join("run/report.html");
    page_that_says(&path, |page| page.contains(RELOADS));
    let interrupt = format!("kill -INT {}", following.0.id());
    assert!(
        Command::new("sh")
            .args(["-c", &interrupt])
            .status()
            .unwrap()
            .success()
    );
    assert!(following.0.wait().unwrap().success());
    assert!(!std::fs::read_to_string(&path).unwrap().contains(RELOADS));
}

#[test]
fn other_outputs_do_not_follow() {
    let temp = tempfile::tempdir().unwrap();
    let mut following = follow(&["report", "run", "--follow", "--csv", "csv"], temp.path());
    assert_eq!(following.0.wait().unwrap().code(), Some(2));
    let mut nowhere = follow(&["report", "run", "--follow"], temp.path());
    assert_eq!(nowhere.0.wait().unwrap().code(), Some(1));
}
