//! The one way by which the command prints: a reader that went away ends it quietly, and nothing that comes from a file
//! reaches the terminal but as text.

use std::fmt::Display;
use std::io::{BufWriter, ErrorKind, IsTerminal, StdoutLock, Write};

use frostline::report::escaped;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::failure::Failure;

/// Prints a text as it is: who makes it has [`escaped`] what comes from files.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(unwritten)
}

/// Prints a value as JSON, exactly: JSON has escapes of its own.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Prints a JSON object whose fields are written one after the other, so that they need not all be held.
pub(crate) fn print_json_as(
    fields: impl FnOnce(&mut JsonObject) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut object = JsonObject {
        out: BufWriter::new(std::io::stdout().lock()),
        is_first: true,
    };
    object.write("{")?;
    fields(&mut object)?;
    object.write("\n}\n")?;
    object.out.flush().map_err(unwritten)
}

/// A JSON object on its way to standard output.
pub(crate) struct JsonObject {
    out: BufWriter<StdoutLock<'static>>,
    is_first: bool,
}

/// A list in it.
pub(crate) struct JsonList<'a> {
    object: &'a mut JsonObject,
    is_first: bool,
}

impl JsonObject {
    /// A field.
    pub(crate) fn value(&mut self, name: &str, value: &impl Serialize) -> Result<(), Failure> {
        self.name(name)?;
        self.json(value, "  ")
    }

    /// A field whose list is written element by element.
    pub(crate) fn list(
        &mut self,
        name: &str,
        elements: impl FnOnce(&mut JsonList<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.name(name)?;
        self.write("[")?;
        elements(&mut JsonList {
            object: self,
            is_first: true,
        })?;
        self.write("\n  ]")
    }

    fn name(&mut self, name: &str) -> Result<(), Failure> {
        let before = if self.is_first { "\n  " } else { ",\n  " };
        self.is_first = false;
        self.write(before)?;
        self.write(&format!("{}: ", serde_json::to_string(name)?))
    }

    /// A value whose lines after the first are indented by so much.
    fn json(&mut self, value: &impl Serialize, indent: &str) -> Result<(), Failure> {
        // Strings have no line breaks in JSON: they are escaped.
        let text = serde_json::to_string_pretty(value)?;
        self.write(&text.replace('\n', &format!("\n{indent}")))
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes()).map_err(unwritten)
    }
}

impl JsonList<'_> {
    /// An element.
    pub(crate) fn value(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let before = if self.is_first { "\n    " } else { ",\n    " };
        self.is_first = false;
        self.object.write(before)?;
        self.object.json(value, "    ")
    }
}

fn unwritten(error: std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::Data(format!("standard output can't be written: {error}")),
    }
}

/// Prints a line about the work on standard error.
pub(crate) fn warn(warning: impl Display) {
    tell(&format!("warning: {}", escaped(&warning.to_string())));
}

/// Prints a line on standard error; with that one closed there is nobody to tell.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Whether what is printed may have colours.
pub(crate) fn in_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// A bar on standard error, where that is a terminal.
pub(crate) fn bar(template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    ProgressBar::new(0).with_style(style)
}
