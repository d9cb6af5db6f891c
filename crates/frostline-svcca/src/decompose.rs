//! The small decompositions, on the host in f64. The one file that knows the solver.

use faer::{
    Accum, Mat, MatMut, MatRef, Par, Side,
    linalg::{
        matmul::{
            matmul,
            triangular::{self, BlockStructure},
        },
        triangular_inverse::invert_lower_triangular,
    },
};
use nalgebra::{Complex, DMatrix, DVector};

use crate::Error;

/// Eigenvalues in descending order, none below zero, and the eigenvectors in the same order, of a
/// symmetric positive semidefinite matrix.
pub(crate) fn symmetric(matrix: &DMatrix<f64>) -> Result<(DVector<f64>, DMatrix<f64>), Error> {
    let failed = failure("eigendecomposition", matrix.nrows(), matrix.ncols());
    finite(matrix.as_slice(), &failed)?;
    let found = view(matrix)
        .self_adjoint_eigen(Side::Lower)
        .map_err(|_| failed())?;
    let (size, ascending, vectors) = (matrix.nrows(), found.S(), found.U());
    let values = DVector::from_fn(size, |i, _| ascending[size - 1 - i].max(0.0));
    let vectors = DMatrix::from_fn(size, size, |row, i| vectors[(row, size - 1 - i)]);
    finite(values.as_slice(), &failed)?;
    finite(vectors.as_slice(), &failed)?;
    Ok((values, vectors))
}

/// Singular values and vectors of a matrix given row by row.
pub(crate) fn singular_of_rows(
    row_major: &[f64],
    rows: usize,
    columns: usize,
) -> Result<Singular, Error> {
    let failed = failure("singular value decomposition", rows, columns);
    finite(row_major, &failed)?;
    thin(
        MatRef::from_row_major_slice(row_major, rows, columns),
        failed,
    )
}

/// Singular values in descending order.
pub(crate) fn singular_values(matrix: &DMatrix<f64>) -> Result<DVector<f64>, Error> {
    let failed = failure(
        "singular value decomposition",
        matrix.nrows(),
        matrix.ncols(),
    );
    finite(matrix.as_slice(), &failed)?;
    let values = view(matrix).singular_values().map_err(|_| failed())?;
    finite(&values, &failed)?;
    Ok(DVector::from_vec(values))
}

/// `left · values · rightᵀ`.
pub(crate) struct Singular {
    /// `[rows, count]`.
    pub(crate) left: DMatrix<f64>,
    /// In descending order, the smaller of both sides many.
    pub(crate) values: DVector<f64>,
    /// `[columns, count]`.
    pub(crate) right: DMatrix<f64>,
}

/// Singular values and vectors.
pub(crate) fn singular(matrix: &DMatrix<f64>) -> Result<Singular, Error> {
    let failed = failure(
        "singular value decomposition",
        matrix.nrows(),
        matrix.ncols(),
    );
    finite(matrix.as_slice(), &failed)?;
    thin(view(matrix), failed)
}

fn thin(matrix: MatRef<'_, f64>, failed: impl Fn() -> Error) -> Result<Singular, Error> {
    let found = matrix.thin_svd().map_err(|_| failed())?;
    let (left, values, right) = (owned(found.U()), found.S(), owned(found.V()));
    let values = DVector::from_fn(matrix.nrows().min(matrix.ncols()), |i, _| values[i]);
    finite(values.as_slice(), &failed)?;
    finite(left.as_slice(), &failed)?;
    finite(right.as_slice(), &failed)?;
    Ok(Singular {
        left,
        values,
        right,
    })
}

/// `aᵀ b`.
pub(crate) fn product(a: &DMatrix<f64>, b: &DMatrix<f64>) -> DMatrix<f64> {
    let product: Mat<f64> = view(a).transpose() * view(b);
    owned(product.as_ref())
}

fn owned(matrix: MatRef<'_, f64>) -> DMatrix<f64> {
    DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |row, column| {
        matrix[(row, column)]
    })
}

/// The same numbers seen by the solver, without a copy: both keep columns together.
fn view(matrix: &DMatrix<f64>) -> MatRef<'_, f64> {
    MatRef::from_column_major_slice(matrix.as_slice(), matrix.nrows(), matrix.ncols())
}

fn failure(what: &'static str, rows: usize, columns: usize) -> impl Fn() -> Error {
    move || Error::DecompositionFailed {
        what,
        rows,
        columns,
    }
}

/// A solver that is fed NaN can answer `Ok` with NaN, so both ends are checked.
fn finite(values: &[f64], failed: &impl Fn() -> Error) -> Result<(), Error> {
    if values.iter().all(|value| value.is_finite()) {
        Ok(())
    } else {
        Err(failed())
    }
}

/// `sum + xᵀ y`; both are given row by row, their columns are the rows and columns of `sum`.
pub(crate) fn add_product(sum: &mut DMatrix<f64>, x: &[f64], y: &[f64]) {
    let (left, right) = sum.shape();
    // Row by row is the transpose column by column.
    let x = MatRef::from_column_major_slice(x, left, x.len() / left);
    let y = MatRef::from_column_major_slice(y, right, y.len() / right);
    let sum = MatMut::from_column_major_slice_mut(sum.as_mut_slice(), left, right);
    matmul(sum, Accum::Add, x, y.transpose(), 1.0, Par::Seq);
}

/// The lower triangle of `sum + xᵀ x`.
pub(crate) fn add_square(sum: &mut DMatrix<f64>, x: &[f64]) {
    let size = sum.ncols();
    let x = MatRef::from_column_major_slice(x, size, x.len() / size);
    triangular::matmul(
        MatMut::from_column_major_slice_mut(sum.as_mut_slice(), size, size),
        BlockStructure::TriangularLower,
        Accum::Add,
        x,
        BlockStructure::Rectangular,
        x.transpose(),
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
}

/// `aᴴ b c`.
pub(crate) fn sandwich(
    a: &DMatrix<Complex<f64>>,
    b: &DMatrix<Complex<f64>>,
    c: &DMatrix<Complex<f64>>,
) -> DMatrix<Complex<f64>> {
    let product: Mat<Complex<f64>> = complex(a).adjoint() * complex(b) * complex(c);
    DMatrix::from_fn(a.ncols(), c.ncols(), |row, column| product[(row, column)])
}

/// `L⁻¹` of the Cholesky factor `L Lᴴ` of a Hermitian matrix, of which the lower triangle is read;
/// none where it isn't positive definite.
pub(crate) fn inverse_cholesky(matrix: &DMatrix<Complex<f64>>) -> Option<DMatrix<Complex<f64>>> {
    let size = matrix.nrows();
    let factor = complex(matrix).llt(Side::Lower).ok()?;
    let mut inverse = DMatrix::zeros(size, size);
    invert_lower_triangular(
        MatMut::from_column_major_slice_mut(inverse.as_mut_slice(), size, size),
        factor.L(),
        Par::Seq,
    );
    let finite = |value: &Complex<f64>| value.re.is_finite() && value.im.is_finite();
    inverse.iter().all(finite).then_some(inverse)
}

/// Singular values in descending order and the left singular vectors, of a complex matrix.
pub(crate) fn complex_left_singular(
    matrix: &DMatrix<Complex<f64>>,
) -> Result<(DVector<f64>, DMatrix<Complex<f64>>), Error> {
    let (rows, columns) = matrix.shape();
    let failed = failure("complex singular value decomposition", rows, columns);
    finite(&parts(matrix.as_slice()), &failed)?;
    let found = complex(matrix).thin_svd().map_err(|_| failed())?;
    let (size, values, vectors) = (rows.min(columns), found.S(), found.U());
    let values = DVector::from_fn(size, |i, _| values[i].re);
    let vectors = DMatrix::from_fn(rows, size, |row, i| vectors[(row, i)]);
    finite(values.as_slice(), &failed)?;
    finite(&parts(vectors.as_slice()), &failed)?;
    Ok((values, vectors))
}

/// Singular values in descending order, of a complex matrix.
pub(crate) fn complex_singular_values(
    matrix: &DMatrix<Complex<f64>>,
) -> Result<DVector<f64>, Error> {
    let (rows, columns) = matrix.shape();
    let failed = failure("complex singular value decomposition", rows, columns);
    finite(&parts(matrix.as_slice()), &failed)?;
    let values = complex(matrix).singular_values().map_err(|_| failed())?;
    finite(&values, &failed)?;
    Ok(DVector::from_vec(values))
}

fn complex(matrix: &DMatrix<Complex<f64>>) -> MatRef<'_, Complex<f64>> {
    MatRef::from_column_major_slice(matrix.as_slice(), matrix.nrows(), matrix.ncols())
}

fn parts(values: &[Complex<f64>]) -> Vec<f64> {
    values
        .iter()
        .flat_map(|value| [value.re, value.im])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_that_is_not_finite_is_an_error_and_not_an_answer() {
        let mut matrix = DMatrix::identity(3, 3);
        matrix[(1, 0)] = f64::NAN;
        assert!(matches!(
            symmetric(&matrix),
            Err(Error::DecompositionFailed { .. })
        ));
        assert!(matches!(
            singular_values(&matrix),
            Err(Error::DecompositionFailed { .. })
        ));
        let values = singular_of_rows(matrix.as_slice(), 3, 3);
        assert!(matches!(values, Err(Error::DecompositionFailed { .. })));
    }

    #[test]
    fn eigenvalues_come_largest_first_with_their_vectors() {
        let (values, vectors) = symmetric(&DMatrix::from_row_slice(2, 2, &[2.0, 1.0, 1.0, 2.0]))
            .expect("a symmetric matrix");
        assert!((values[0] - 3.0).abs() < 1e-14 && (values[1] - 1.0).abs() < 1e-14);
        // (1, 1) belongs to 3, up to sign.
        assert!((vectors[(0, 0)] - vectors[(1, 0)]).abs() < 1e-14);
    }
}
