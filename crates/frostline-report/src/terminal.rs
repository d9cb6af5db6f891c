//! Text for a terminal: what comes from files must not move its cursor, colour it or reorder its lines.

use std::borrow::Cow;

use crate::svg::shorten;

/// The text with everything that a terminal would obey, or not show, written out: an escape character becomes `\u{1b}`, a
/// line break `\n`. Letters, marks and symbols of any script stay.
///
/// ```
/// use frostline_report::escaped;
///
/// assert_eq!(escaped("conv1\u{1b}[31m"), "conv1\\u{1b}[31m");
/// assert_eq!(escaped("größe 層"), "größe 層");
/// ```
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_obeyed(c) {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
    }
    escaped.into()
}

/// Control characters, those that change the direction of writing, separators of lines, and what has no width.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A number with so many digits behind the point; what rounds to zero has no sign.
///
/// ```
/// use frostline_report::fixed;
///
/// assert_eq!(fixed(-0.0000001, 6), "0.000000");
/// assert_eq!(fixed(-0.5, 1), "-0.5");
/// ```
pub fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        Some(rest) if !rest.contains(|c: char| c.is_ascii_alphanumeric() && c != '0') => {
            rest.to_string()
        }
        _ => text,
    }
}

/// Rows as columns that line up, for a terminal; those at the indices `right` line up at their right side.
///
/// Rows may be of different lengths. Cells are [`escaped`], and the middle of one that is longer than a line of a terminal
/// becomes an ellipsis.
///
/// ```
/// use frostline_report::aligned;
///
/// let rows = [["layer", "value"], ["conv1", "0.5"]].map(|row| row.map(String::from).to_vec());
/// assert_eq!(aligned(&rows, &[1]), "layer  value\nconv1    0.5\n");
/// ```
pub fn aligned(rows: &[Vec<String>], right: &[usize]) -> String {
    /// Characters of a cell.
    const WIDEST: usize = 160;
    let cells = |row: &Vec<String>| -> Vec<String> {
        let cells = row.iter();
        cells.map(|cell| shorten(&escaped(cell), WIDEST)).collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut table = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| match right.contains(&column) {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        let line: Vec<String> = cells.collect();
        table.push_str(line.join("  ").trim_end());
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let nasty =
            "\u{1b}]0;title\u{7}\u{1b}[31m\r\n\t\u{9b}2J\u{7f}\u{202e}gpj.exe\u{2066}\u{feff}";
        let safe = escaped(nasty);
        assert_eq!(
            safe,
            "\\u{1b}]0;title\\u{7}\\u{1b}[31m\\r\\n\\t\\u{9b}2J\\u{7f}\\u{202e}gpj.exe\\u{2066}\\u{feff}"
        );
        assert_eq!(escaped(&safe), safe, "what is written out is text");
    }

    #[test]
    fn letters_of_any_script_stay() {
        for text in [
            "größe",
            "e\u{301}tage",
            "層1",
            "слой",
            "a\\b \"c\" 'd'",
            "🧊",
        ] {
            assert_eq!(escaped(text), text);
        }
    }

    #[test]
    fn a_number_that_rounds_to_zero_has_no_sign() {
        assert_eq!(fixed(-4e-7, 6), "0.000000");
        assert_eq!(fixed(-0.0, 0), "0");
        assert_eq!(fixed(-5.1e-7, 6), "-0.000001");
        assert_eq!(fixed(f64::NEG_INFINITY, 2), "-inf");
        assert_eq!(fixed(-10.0, 1), "-10.0");
    }

    #[test]
    fn a_cell_of_any_length_makes_a_table() {
        let rows = [vec!["n".repeat(70_000), "end".into()], vec!["short".into()]];
        let table = aligned(&rows, &[]);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].contains('…') && lines[0].ends_with("n  end"));
        assert!(lines[0].chars().count() < 170 && lines[1] == "short");
    }
}
