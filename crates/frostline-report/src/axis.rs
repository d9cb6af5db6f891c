/// How the numbers of an axis are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Whole numbers of something.
    Count,
    /// Any number.
    Number,
    /// A share, shown in percent.
    Percent,
}

/// One axis: its bounds, its ticks and its label.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) ticks: Vec<(f64, String)>,
    pub(crate) low: f64,
    pub(crate) high: f64,
    logarithmic: bool,
    /// The ticks are names rather than numbers.
    pub(crate) of_names: bool,
}

impl Axis {
    /// From `low` to `high`, widened where they are the same.
    pub(crate) fn linear(label: &str, (low, high): (f64, f64), unit: Unit) -> Self {
        let (low, high) = widened(low, high);
        let factor = if unit == Unit::Percent { 100.0 } else { 1.0 };
        let mut step = nice_step((high - low) * factor);
        if unit == Unit::Count {
            step = step.max(1.0);
        }
        let largest = (low.abs().max(high.abs())) * factor;
        // A hair of slack, so that rounding does not lose the tick at a bound.
        let first = (low * factor / step - 1e-9).ceil();
        let last = (high * factor / step + 1e-9).floor();
        let ticks = (0..=(last - first) as usize)
            .map(|i| (first + i as f64) * step)
            .map(|tick| (tick / factor, written(tick, step, largest)))
            .collect();
        Axis {
            label: label.to_string(),
            ticks,
            low,
            high,
            logarithmic: false,
            of_names: false,
        }
    }

    /// Whole decades around `low` to `high`, both positive.
    pub(crate) fn logarithmic(label: &str, (low, high): (f64, f64)) -> Self {
        let (first, last) = decades_around(low, high);
        let most_with_digits = 2;
        let (low, high) = (10f64.powi(first), 10f64.powi(last));
        Axis {
            label: label.to_string(),
            ticks: decade_ticks((low, high), most_with_digits),
            low,
            high,
            logarithmic: true,
            of_names: false,
        }
    }

    /// From a little below `low` to a little above `high`, both positive.
    pub(crate) fn tight_logarithmic(label: &str, (low, high): (f64, f64)) -> Self {
        const EDGE: f64 = 0.04;
        let (low, high) = widened(low, high);
        let edge = (high / low).powf(EDGE);
        let (low, high) = (low / edge, high * edge);
        let decades = high.log10() - low.log10();
        // Within less than a decade round numbers are found as on a linear axis.
        let ticks = if decades < 1.0 {
            Axis::linear(label, (low, high), Unit::Number).ticks
        } else {
            let most_with_digits = 4;
            decade_ticks((low, high), most_with_digits)
        };
        Axis {
            label: label.to_string(),
            ticks,
            low,
            high,
            logarithmic: true,
            of_names: false,
        }
    }

    /// One place a name, the first at 0, with half a place at both ends.
    pub(crate) fn names(label: &str, names: &[String]) -> Self {
        let ticks = names.iter().enumerate();
        Axis {
            label: label.to_string(),
            ticks: ticks.map(|(at, name)| (at as f64, name.clone())).collect(),
            low: -0.5,
            high: names.len().max(1) as f64 - 0.5,
            logarithmic: false,
            of_names: true,
        }
    }

    /// The same axis, of values that are so many times as large: its texts stay what they are.
    pub(crate) fn times(mut self, worth: f64) -> Self {
        self.low *= worth;
        self.high *= worth;
        for (value, _) in &mut self.ticks {
            *value *= worth;
        }
        self
    }

    /// Where a value lies between the bounds, in `[0, 1]`.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.low).log10() - self.low.log10())
                / (self.high.log10() - self.low.log10())
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }
}

/// A number in at most four significant digits, for tables and hover texts.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e7).contains(&size) {
        return trimmed(format!("{value:.2e}"));
    }
    let digits = if size == 0.0 {
        0
    } else {
        (3 - size.log10().floor() as i32).clamp(0, 7)
    };
    trimmed(format!("{value:.*}", digits as usize))
}

/// Whether a number can be placed on an axis: finite, and far from where sums of it are not.
pub(crate) fn drawable(value: f64) -> bool {
    value.is_finite() && value.abs() < 1e100
}

/// The least and the greatest of the numbers that can be drawn.
pub(crate) fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values
        .filter(|&value| drawable(value))
        .fold(None, |bounds, value| {
            let (low, high) = bounds.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        })
}

fn widened(low: f64, high: f64) -> (f64, f64) {
    let size = low.abs().max(high.abs());
    // Below this share of the numbers themselves, ticks could not be told apart.
    if high - low > size * 1e-9 {
        (low, high)
    } else if size == 0.0 {
        (0.0, 1.0)
    } else {
        (low - 0.1 * size, high + 0.1 * size)
    }
}

/// 1, 2 or 5 times a power of ten, so that `span` has four to ten steps.
fn nice_step(span: f64) -> f64 {
    let rough = span / 5.0;
    let decade = 10f64.powf(rough.log10().floor());
    let digit = rough / decade;
    let nice = match digit {
        d if d < 1.5 => 1.0,
        d if d < 3.5 => 2.0,
        d if d < 7.5 => 5.0,
        _ => 10.0,
    };
    nice * decade
}

/// A tick of an axis whose ticks are `step` apart and at most `largest` from 0.
fn written(tick: f64, step: f64, largest: f64) -> String {
    if largest >= 1e9 || step < 1e-5 {
        return trimmed(format!("{tick:.2e}"));
    }
    let (unit, letter) = match largest {
        l if l >= 1e6 => (1e6, "M"),
        l if l >= 1e5 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let decimals = (-(step / unit).log10() - 1e-9).ceil().max(0.0) as usize;
    let number = format!("{:.decimals$}", tick / unit);
    match number.trim_start_matches('-').trim_matches(['0', '.']) {
        "" => "0".to_string(),
        _ => number + letter,
    }
}

/// The powers of ten at or below `low` and at or above `high`, and not the same.
fn decades_around(low: f64, high: f64) -> (i32, i32) {
    let first = (low.log10() + 1e-9).floor() as i32;
    let last = (high.log10() - 1e-9).ceil() as i32;
    (first, last.max(first + 1))
}

/// Powers of ten between the bounds, and their twos and fives where there are few.
fn decade_ticks((low, high): (f64, f64), most_with_digits: i32) -> Vec<(f64, String)> {
    let (first, last) = decades_around(low, high);
    let digits: &[f64] = match last - first <= most_with_digits {
        true => &[1.0, 2.0, 5.0],
        false => &[1.0],
    };
    let stride = (last - first - 1) / 8 + 1;
    let within = low * (1.0 - 1e-9)..=high * (1.0 + 1e-9);
    (first..=last)
        .step_by(stride as usize)
        .flat_map(|power| digits.iter().map(move |digit| digit * 10f64.powi(power)))
        .filter(|tick| within.contains(tick))
        .map(|tick| (tick, in_decades(tick)))
        .collect()
}

/// A tick of a logarithmic axis.
fn in_decades(tick: f64) -> String {
    if (1e-4..1e5).contains(&tick) {
        short(tick)
    } else {
        trimmed(format!("{tick:.2e}"))
    }
}

/// Without the zeros behind the decimal point: `1.50e3` becomes `1.5e3`.
fn trimmed(number: String) -> String {
    let (digits, power) = match number.split_once('e') {
        Some((digits, power)) => (digits, format!("e{power}")),
        None => (number.as_str(), String::new()),
    };
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    };
    format!("{digits}{power}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_short() {
        let axis = |high| Axis::linear("", (0.0, high), Unit::Number);
        assert_eq!(labels(&axis(2.3)), ["0", "0.5", "1.0", "1.5", "2.0"]);
        assert_eq!(
            labels(&axis(785.0)),
            ["0", "200", "400", "600"] //
        );
        assert_eq!(labels(&axis(390_000.0))[1], "100k");
        assert_eq!(labels(&axis(39_000_000.0))[1], "10M");
        assert_eq!(labels(&axis(3e12))[1], "5e11");
    }

    #[test]
    fn steps_are_never_split() {
        let axis = Axis::linear("step", (0.0, 1.0), Unit::Count);
        assert_eq!(labels(&axis), ["0", "1"]);
    }

    #[test]
    fn equal_values_lie_in_the_middle() {
        for value in [0.7, -3.0, 1e-20, 1e99] {
            let axis = Axis::linear("", (value, value), Unit::Number);
            assert!((axis.share(value) - 0.5).abs() < 1e-9, "{value}");
            assert!((2..20).contains(&axis.ticks.len()), "{value}");
        }
    }

    #[test]
    fn a_log_axis_spans_whole_decades() {
        let axis = Axis::logarithmic("", (0.003, 0.7));
        assert_eq!(labels(&axis), ["0.001", "0.01", "0.1", "1"]);
        assert!((axis.share(0.01) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(axis.share(0.0), 0.0);
        let wide = Axis::logarithmic("", (1e-6, 1e30));
        assert!(wide.ticks.len() <= 9);
    }

    #[test]
    fn a_tight_log_axis_has_round_ticks_inside_its_bounds() {
        let axis = Axis::tight_logarithmic("", (2.0, 512.0));
        assert_eq!(
            labels(&axis),
            ["2", "5", "10", "20", "50", "100", "200", "500"]
        );
        let axis = Axis::tight_logarithmic("", (1.0, 1e6));
        assert_eq!(
            labels(&axis),
            ["1", "10", "100", "1000", "10000", "1e5", "1e6"]
        );
        let axis = Axis::tight_logarithmic("", (300.0, 420.0));
        assert_eq!(
            labels(&axis),
            ["300", "320", "340", "360", "380", "400", "420"]
        );
        // One value lies in the middle, as it does on a linear axis, but for the bend of the axis.
        let axis = Axis::tight_logarithmic("", (3.0, 3.0));
        assert!((axis.share(3.0) - 0.5).abs() < 0.05);
    }

    #[test]
    fn names_stand_side_by_side() {
        let axis = Axis::names("layer", &["a".into(), "b".into(), "c".into()]);
        assert_eq!(labels(&axis), ["a", "b", "c"]);
        let places = [0.0, 1.0, 2.0].map(|at| axis.share(at));
        for (place, expected) in places.into_iter().zip([1.0, 3.0, 5.0]) {
            assert!((place - expected / 6.0).abs() < 1e-12);
        }
    }

    #[test]
    fn short_numbers_keep_four_digits() {
        let written = [0.87349, 123.4567, 0.0, 1e-9, 123456.0, -0.5].map(short);
        assert_eq!(
            written,
            ["0.8735", "123.5", "0", "1e-9", "123456", "-0.5"] //
        );
    }
}
