use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// A headless Chromium with one tab, told what to do by the DevTools protocol.
///
/// Messages stay JSON and go through a pipe: a new Chromium's events have fields and kinds that no typed
/// client knows, and a test that is to see every error must not lose one.
pub(crate) struct Chromium {
    process: Child,
    /// None once the browser was told to end.
    to: Option<ChildStdin>,
    from: Receiver<Value>,
    /// Events that came while an answer was waited for.
    events: Vec<Value>,
    asked: u64,
    session: Option<String>,
    profile: TempDir,
}

/// A browser that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it writes to standard error, in the folder of its profile.
const LOG: &str = "stderr.log";

impl Chromium {
    /// Starts the browser. None, with a word on standard error, where there is none and `FROSTLINE_REQUIRE_BROWSER`
    /// isn't set.
    pub(crate) fn start() -> Option<Self> {
        let Some(browser) = find() else {
            let missing = "no Chromium: neither CHROME nor PATH names one";
            if std::env::var_os("FROSTLINE_REQUIRE_BROWSER").is_some() {
                panic!("{missing}, and FROSTLINE_REQUIRE_BROWSER is set");
            }
            eprintln!("{missing}; the page was not opened");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        // The browser reads from descriptor 3 and writes to 4, as `--remote-debugging-pipe` has it.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 >&2"])
            .arg(browser)
            .args(["--headless", "--remote-debugging-pipe"])
            // Root has no sandbox, and the only page is our own.
            .arg("--no-sandbox")
            .args(["--disable-gpu", "--no-first-run", "--disable-sync"])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .arg(user_data(profile.path()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(profile.path().join(LOG)).unwrap())
            .spawn()
            .unwrap();
        let mut chromium = Chromium {
            to: process.stdin.take(),
            from: messages(&mut process),
            process,
            events: Vec::new(),
            asked: 0,
            session: None,
            profile,
        };
        chromium.attach();
        Some(chromium)
    }

    /// Calls a method of the protocol and gives its result.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let to = self
            .to
            .as_mut()
            .expect("the browser runs until it is dropped");
        if let Err(error) = to.write_all(&bytes) {
            self.gone(method, &error);
        }
        loop {
            let mut message = self.next(method);
            if message["id"] == self.asked {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].take();
            }
            self.events.push(message);
        }
    }

    /// The value of an expression in the page; promises are waited for.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let mut found = self.call(
            "Runtime.evaluate",
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true}),
        );
        let thrown = &found["exceptionDetails"];
        assert!(thrown.is_null(), "{thrown:#}\nin {expression}");
        found["result"]["value"].take()
    }

    /// Opens a file in a window of this size and waits until it is loaded and drawn.
    pub(crate) fn open(&mut self, file: &Path, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size);
        self.events.clear();
        let opened = self.call("Page.navigate", json!({"url": address(file)}));
        assert!(opened["errorText"].is_null(), "{opened}");
        while !self
            .events
            .iter()
            .any(|event| event["method"] == "Page.loadEventFired")
        {
            let event = self.next("Page.loadEventFired");
            self.events.push(event);
        }
        self.evaluate(
            "new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))",
        );
    }

    /// What happened since the page was opened.
    pub(crate) fn events<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Value> {
        let named = self
            .events
            .iter()
            .filter(move |event| event["method"] == method);
        named.map(|event| &event["params"])
    }

    fn attach(&mut self) {
        let found = self.call("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": found["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", target);
        self.session = attached["sessionId"].as_str().map(String::from);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    fn next(&mut self, waiting_for: &str) -> Value {
        let message = self.from.recv_timeout(PATIENCE);
        message.unwrap_or_else(|error| self.gone(waiting_for, &error))
    }

    fn gone(&self, waiting_for: &str, error: &dyn Error) -> ! {
        let log = std::fs::read_to_string(self.profile.path().join(LOG)).unwrap_or_default();
        panic!("Chromium gave no answer to {waiting_for}: {error}; it wrote\n{log}");
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It ends with its pipe, and writes to its profile until then.
        self.to = None;
        while self.from.recv_timeout(PATIENCE).is_ok() {}
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address of a file.
pub(crate) fn address(file: &Path) -> String {
    format!("file://{}", file.display())
}

fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROME").filter(|name| !name.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut places = names.iter().flat_map(|name| {
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        folders.into_iter().map(move |folder| folder.join(name))
    });
    places.find(|place| place.is_file())
}

fn user_data(profile: &Path) -> OsString {
    let mut argument = OsString::from("--user-data-dir=");
    argument.push(profile);
    argument
}

/// What the browser says: JSON with a zero byte behind each.
fn messages(process: &mut Child) -> Receiver<Value> {
    let mut said = BufReader::new(process.stdout.take().expect("it was piped"));
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        while said.read_until(0, &mut bytes).is_ok_and(|count| count > 0) {
            bytes.pop();
            let message = serde_json::from_slice(&bytes).expect("the browser speaks JSON");
            if tell.send(message).is_err() {
                break;
            }
            bytes.clear();
        }
    });
    told
}
