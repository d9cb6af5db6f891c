//! Which spatial frequencies a real map has, and which of them two maps share.

use std::collections::BTreeSet;

/// The frequencies of a real `[height, width]` map.
///
/// `f` and `-f` are conjugate, so one of each two is kept: every row of the columns between the first
/// and the middle one, and the upper half of those two, which hold both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HalfPlane {
    pub(super) height: usize,
    pub(super) width: usize,
}

/// Where a frequency is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: usize,
    /// Whether what is kept there is the conjugate.
    pub(super) conjugate: bool,
}

impl HalfPlane {
    /// How many are kept.
    pub(super) fn count(self) -> usize {
        self.kept().count()
    }

    /// `(row, column)` of the whole plane, in the order in which they are kept.
    pub(super) fn kept(self) -> impl Iterator<Item = (usize, usize)> {
        (0..=self.width / 2)
            .flat_map(move |column| (0..self.rows(column)).map(move |row| (row, column)))
    }

    /// Where the frequency at `(row, column)` of the whole plane is kept.
    pub(super) fn place(self, row: usize, column: usize) -> Place {
        let (opposite_row, opposite_column) = self.opposite(row, column);
        let conjugate =
            column > opposite_column || (column == opposite_column && row > opposite_row);
        let (row, column) = if conjugate {
            (opposite_row, opposite_column)
        } else {
            (row, column)
        };
        let before = match column {
            0 => 0,
            column => self.rows(0) + (column - 1) * self.height,
        };
        Place {
            index: before + row,
            conjugate,
        }
    }

    /// Where `-f` lies in the whole plane.
    pub(super) fn opposite(self, row: usize, column: usize) -> (usize, usize) {
        (
            (self.height - row) % self.height,
            (self.width - column) % self.width,
        )
    }

    /// How many rows of a column are kept.
    fn rows(self, column: usize) -> usize {
        if column == 0 || 2 * column == self.width {
            self.height / 2 + 1
        } else {
            self.height
        }
    }
}

/// A frequency that two maps share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shared {
    /// Where x keeps it.
    pub(super) x: usize,
    /// Where y does.
    pub(super) y: usize,
    /// Whether one of them keeps the conjugate of what the other keeps.
    pub(super) conjugate: bool,
}

/// The low frequencies that two maps share, row by row in the order of the transform: along each
/// axis `-m/2 ≤ f < m/2`, m the smaller size.
///
/// A frequency and its opposite are the same entry wherever both maps hold both.
pub(super) fn shared(x: HalfPlane, y: HalfPlane) -> ([usize; 2], Vec<Shared>) {
    let [height, width] = [x.height.min(y.height), x.width.min(y.width)];
    let places = (0..height).flat_map(|row| {
        (0..width).map(move |column| {
            let [x, y] = [x, y].map(|plane| {
                plane.place(
                    index(row, height, plane.height),
                    index(column, width, plane.width),
                )
            });
            Shared {
                x: x.index,
                y: y.index,
                conjugate: x.conjugate != y.conjugate,
            }
        })
    });
    ([height, width], places.collect())
}

/// Every entry once.
pub(super) fn distinct(grid: &[Shared]) -> Vec<Shared> {
    let distinct: BTreeSet<Shared> = grid.iter().copied().collect();
    distinct.into_iter().collect()
}

/// Where entry `i` of `common` frequencies lies among `size` of them: the second half is negative.
fn index(i: usize, common: usize, size: usize) -> usize {
    if i < common.div_ceil(2) {
        i
    } else {
        size - (common - i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frequency_is_kept_once_as_itself_or_as_its_opposite() {
        for height in 1..9 {
            for width in 1..9 {
                let plane = HalfPlane { height, width };
                for (index, (row, column)) in plane.kept().enumerate() {
                    let place = plane.place(row, column);
                    assert_eq!((place.index, place.conjugate), (index, false), "{plane:?}");
                }
                let mut found = BTreeSet::new();
                for row in 0..height {
                    for column in 0..width {
                        let (place, (r, c)) =
                            (plane.place(row, column), plane.opposite(row, column));
                        let opposite = plane.place(r, c);
                        assert_eq!(place.index, opposite.index, "{plane:?}");
                        let same = (r, c) == (row, column);
                        assert_eq!(place.conjugate != opposite.conjugate, !same, "{plane:?}");
                        found.insert(place.index);
                    }
                }
                assert_eq!(found.len(), plane.count(), "{plane:?}");
            }
        }
    }

    #[test]
    fn of_256_frequencies_130_are_kept() {
        let plane = HalfPlane {
            height: 16,
            width: 16,
        };
        assert_eq!(plane.count(), 130);
        let (_, places) = shared(plane, plane);
        assert_eq!(distinct(&places).len(), 130);
    }

    #[test]
    fn the_most_negative_frequency_of_the_smaller_map_is_a_bin_of_its_own_in_the_larger() {
        let line = |width| HalfPlane { height: 1, width };
        // Of 4 frequencies 0, 1, -2, -1; in 7 bins -2 is the opposite of bin 2.
        let ([height, width], places) = shared(line(7), line(4));
        assert_eq!((height, width), (1, 4));
        let kept: Vec<_> = places.iter().map(|place| (place.x, place.y)).collect();
        assert_eq!(kept, [(0, 0), (1, 1), (2, 2), (1, 1)]);
        let conjugate: Vec<_> = places.iter().map(|place| place.conjugate).collect();
        assert_eq!(conjugate, [false, false, true, false]);
    }
}
