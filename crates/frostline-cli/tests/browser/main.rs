//! The page that `frostline report` writes, opened in a real browser.

mod chromium;
#[path = "../made_up_run/mod.rs"]
mod made_up_run;

use std::collections::BTreeSet;
use std::path::PathBuf;

use chromium::{Chromium, address};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

const WIDE: u32 = 1280;
const NARROW: u32 = 390;

/// The page of two runs, and a browser for it.
struct Opened {
    folder: TempDir,
    chromium: Chromium,
}

impl Opened {
    /// None where there is no browser.
    fn page() -> Option<Self> {
        let chromium = Chromium::start()?;
        let folder = tempfile::tempdir().unwrap();
        made_up_run::write(&folder.path().join("plain"), "as usual", false);
        made_up_run::write(
            &folder.path().join("freeze"),
            "Freeze <Training> & more",
            true,
        );
        let arguments = ["report", "plain", "freeze", "-o", "page.html"];
        let output = made_up_run::frostline(&arguments, folder.path());
        assert!(output.status.success(), "{output:?}");
        Some(Opened { folder, chromium })
    }

    /// None where there is no browser.
    fn html(html: &str) -> Option<Self> {
        let chromium = Chromium::start()?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("page.html"), html).unwrap();
        Some(Opened { folder, chromium })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("page.html")
    }

    /// Shows it with everything unfolded in a window as high as the page, so that nothing has to be scrolled to.
    fn show(&mut self, width: u32, scheme: &str) {
        let scheme = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let media = json!({"media": "screen", "features": scheme});
        self.chromium.call("Emulation.setEmulatedMedia", media);
        self.chromium.open(&self.path(), width, 800);
        self.chromium.evaluate(include_str!("page.js"));
        self.ask::<()>("unfold()");
        let height = self
            .chromium
            .evaluate("document.documentElement.scrollHeight");
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.chromium
            .call("Emulation.setDeviceMetricsOverride", size);
    }

    /// The answer to a question of `page.js`.
    fn ask<T: for<'a> Deserialize<'a>>(&mut self, question: &str) -> T {
        let answer = self.chromium.evaluate(&format!("look.{question}"));
        serde_json::from_value(answer).unwrap()
    }

    /// Does something with the page as it is shown first, and after each choice that it offers.
    fn each_state(&mut self, mut look: impl FnMut(&mut Self)) {
        look(self);
        for choice in 0..self.ask("choices()") {
            let choice: usize = choice;
            self.ask::<()>(&format!("choose({choice})"));
            look(self);
        }
    }

    /// What the browser complained of, and what the page asked for besides itself.
    fn complaints(&self) -> Vec<String> {
        let said = |event: &Value| event.to_string();
        let mut complaints: Vec<String> = Vec::new();
        let consoles = self.chromium.events("Runtime.consoleAPICalled");
        complaints.extend(consoles.map(said));
        complaints.extend(self.chromium.events("Runtime.exceptionThrown").map(said));
        complaints.extend(self.chromium.events("Log.entryAdded").map(said));
        let requests = self.chromium.events("Network.requestWillBeSent");
        let others = requests.filter(|event| event["request"]["url"] != address(&self.path()));
        complaints.extend(others.map(|event| format!("asked for {}", event["request"]["url"])));
        complaints
    }
}

#[derive(Deserialize)]
struct Picture {
    label: Option<String>,
    shown: bool,
    within: bool,
    marks: usize,
}

#[derive(Deserialize)]
struct Cell {
    says: String,
    at: [f64; 2],
}

#[derive(Debug, Deserialize)]
struct Text {
    text: String,
    drawn: bool,
    contrast: f64,
}

/// What WCAG 2.2 asks of text of usual size, level AA.
const READABLE: f64 = 4.5;

#[test]
fn the_page_loads_without_complaints_and_asks_for_nothing_but_itself() {
    let Some(mut opened) = Opened::page() else {
        return;
    };
    opened.show(WIDE, "light");
    opened.each_state(|_| ());
    assert_eq!(opened.complaints(), Vec::<String>::new());
    let requests = opened.chromium.events("Network.requestWillBeSent");
    assert_eq!(requests.count(), 1, "the page itself is seen");
}

#[test]
fn every_picture_is_drawn_within_the_page_on_wide_and_on_narrow_screens() {
    let Some(mut opened) = Opened::page() else {
        return;
    };
    for width in [WIDE, NARROW] {
        let (mut shown, mut all) = (BTreeSet::new(), 0);
        for scheme in ["light", "dark"] {
            opened.show(width, scheme);
            opened.each_state(|opened| {
                let overflow: f64 = opened.ask("overflow()");
                assert_eq!(overflow, 0.0, "the page is wider than {width} pixels");
                let pictures: Vec<Picture> = opened.ask("pictures()");
                all = pictures.len();
                for (index, picture) in pictures.iter().enumerate().filter(|(_, p)| p.shown) {
                    let label = picture.label.as_deref().unwrap_or_default();
                    assert!(picture.within, "{width} pixels are too few for {label}");
                    // A background, the axes, and what is on them.
                    assert!(picture.marks > 5, "{} marks in {label}", picture.marks);
                    shown.insert(index);
                }
            });
        }
        assert_eq!(
            all, 52,
            "on each of 4 axes 5 pictures and 3 layers of all runs; 5, four panes and their scale of each run"
        );
        let never: Vec<usize> = (0..all).filter(|index| !shown.contains(index)).collect();
        assert!(
            never.is_empty(),
            "{never:?} of {all} pictures are never shown"
        );
    }
}

#[derive(Debug, Deserialize)]
struct Panes {
    rows: Vec<usize>,
    smallest: f64,
}

#[test]
fn panes_wrap_where_the_page_is_narrow_and_stay_legible() {
    let Some(mut opened) = Opened::page() else {
        return;
    };
    // Four panes and their scale.
    for (width, rows) in [(WIDE, &[5][..]), (NARROW, &[1, 1, 1, 1, 1])] {
        opened.show(width, "light");
        let panes: Vec<Panes> = opened.ask("panes()");
        assert_eq!(panes.len(), 2, "of each run");
        for panes in panes {
            assert_eq!(panes.rows, rows, "{width} pixels");
            assert!(panes.smallest >= 9.0, "{width} pixels: {panes:?}");
        }
    }
}

#[test]
fn in_print_everything_is_unfolded_and_coloured() {
    let Some(mut opened) = Opened::page() else {
        return;
    };
    let media = json!({"media": "print", "features": []});
    opened.chromium.call("Emulation.setEmulatedMedia", media);
    // As wide as A4 across within its margins.
    opened
        .chromium
        .open(&opened.folder.path().join("page.html"), 1032, 800);
    opened.chromium.evaluate(include_str!("page.js"));
    assert_eq!(opened.ask::<Vec<String>>("unprinted()"), [""; 0]);
    let overflow: f64 = opened.ask("overflow()");
    assert_eq!(overflow, 0.0, "what is wider than the paper is cut off");
    for panes in opened.ask::<Vec<Panes>>("panes()") {
        assert_eq!(panes.rows, [5]);
    }
}

#[test]
fn pointing_at_a_cell_of_a_heatmap_says_its_value() {
    let Some(mut opened) = Opened::page() else {
        return;
    };
    for width in [WIDE, NARROW] {
        opened.show(width, "light");
        let cells: Vec<Cell> = opened.ask("cells()");
        assert_eq!(
            cells.len(),
            2 * 4 * 9,
            "two runs, four panes of three by three"
        );
        for Cell { says, at } in &cells {
            let (_, value) = says.rsplit_once(": ").unwrap();
            // What chance gives follows behind it.
            let value: f64 = value.split(',').next().unwrap().parse().unwrap();
            assert!((0.0..=1.0).contains(&value), "{says}");
            let said: Option<String> = opened.ask(&format!("said({at:?})"));
            assert_eq!(said.as_ref(), Some(says), "at {at:?}, {width} pixels wide");
        }
        let Cell { says, at: [x, y] } = &cells[40];
        let moved = json!({"type": "mouseMoved", "x": x, "y": y});
        opened.chromium.call("Input.dispatchMouseEvent", moved);
        let pointed: Option<String> = opened.ask("pointed()");
        assert_eq!(pointed.as_ref(), Some(says));
    }
}

#[test]
fn headings_go_down_one_level_at_a_time() {
    let Some(mut opened) = Opened::page() else {
        return;
    };
    opened.show(WIDE, "light");
    let levels: Vec<usize> = opened.ask("headings()");
    assert_eq!(levels.first(), Some(&1));
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert!(levels.len() > 10, "{levels:?}");
    assert!(
        levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
        "{levels:?}"
    );
}

#[test]
fn all_text_is_readable_in_light_and_in_dark() {
    let Some(mut opened) = Opened::page() else {
        return;
    };
    for scheme in ["light", "dark"] {
        opened.show(WIDE, scheme);
        opened.each_state(|opened| {
            let texts: Vec<Text> = opened.ask("texts()");
            for drawn in [false, true] {
                let count = texts.iter().filter(|text| text.drawn == drawn).count();
                assert!(count > 100, "{count} texts, drawn: {drawn}");
            }
            let faint: Vec<&Text> = texts.iter().filter(|t| t.contrast < READABLE).collect();
            assert!(faint.is_empty(), "in {scheme}: {faint:#?}");
        });
    }
}

/// These tests would notice.
#[test]
fn a_page_with_every_fault_is_found_to_have_them() {
    let Some(mut opened) = Opened::html(
        "<!DOCTYPE html><h1>One</h1><h3>Three</h3>
        <p style='color: #777; background: #fff'>just too faint</p><p style='color: #767676; background: #fff'>just not</p>
        <svg width='500' height='20' aria-label='wide'><rect width='500' height='20' fill='#888'/>
        <rect width='9' height='9' fill='none'/><text y='15' fill='#fff'>faint too</text></svg>
        <img src='http://127.0.0.1:9/picture.png' alt=''><script>console.error('first'); throw Error('second')</script>",
    ) else {
        return;
    };
    opened.show(NARROW, "light");
    let complaints = opened.complaints().join("\n");
    for complaint in [
        "first",
        "second",
        "asked for \"http://127.0.0.1:9/picture.png\"",
    ] {
        assert!(complaints.contains(complaint), "{complaints}");
    }
    assert_eq!(opened.ask::<Vec<usize>>("headings()"), [1, 3]);
    assert!(opened.ask::<f64>("overflow()") > 100.0);
    let pictures: Vec<Picture> = opened.ask("pictures()");
    assert_eq!((pictures[0].within, pictures[0].marks), (false, 1));
    let texts: Vec<Text> = opened.ask("texts()");
    let faint = texts.iter().filter(|text| text.contrast < READABLE);
    let faint: Vec<&str> = faint.map(|text| text.text.as_str()).collect();
    assert_eq!(faint, ["just too faint", "faint too"]);
}
