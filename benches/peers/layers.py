"""Activations of layers, and the directions of a layer that a 99 % cut keeps."""

import numpy as np

CUT = 0.99


def load_grid(folder, dtype):
    """`rows/000.npy`, `rows/001.npy`, ... against `columns/000.npy`, ...: two lists of [sample, neuron]."""
    rows, columns = load_list(folder / "rows", dtype), load_list(folder / "columns", dtype)
    same_samples(rows + columns)
    return rows, columns


def load_pair(folder, dtype):
    """`x.npy` and `y.npy`, samples along the first axis of both."""
    pair = np.load(folder / "x.npy").astype(dtype), np.load(folder / "y.npy").astype(dtype)
    same_samples(pair)
    return pair


def load_list(folder, dtype):
    paths = sorted(folder.glob("*.npy"))
    if not paths:
        raise ValueError(f"no .npy file in {folder}")
    return [np.load(path).astype(dtype) for path in paths]


def same_samples(layers):
    counts = sorted({len(layer) for layer in layers})
    if len(counts) > 1:
        raise ValueError(f"layers have from {counts[0]} to {counts[-1]} samples; all must have the same")


def centred(layer):
    return layer - layer.mean(axis=0)


def kept_count(variances):
    """The smallest m whose leading variances, sorted downwards, reach the cut."""
    reached = np.cumsum(variances)
    if not 0 < reached[-1] < np.inf:
        raise ValueError(f"the variance of a layer is {reached[-1]}; it must be above 0 and finite")
    return int(np.searchsorted(reached, CUT * reached[-1])) + 1


def basis_by_svd(layer):
    """Orthonormal basis [n, k] of what the cut keeps: `U[:, :k]` of the thin SVD of the centred layer."""
    u, s, _ = np.linalg.svd(centred(layer), full_matrices=False)
    return u[:, : kept_count(s**2)].copy()  # the rest of U is let go


def basis_by_covariance(layer):
    """The same span by way of `XᵀX = V Λ Vᵀ`: `X V_k Λ_k^{-1/2}`."""
    x = centred(layer)
    return x @ whitening(x.T @ x)


def whitening(scatter):
    """`V_k Λ_k^{-1/2}` [d, k] of a scatter `V Λ Vᵀ`, cut."""
    variances, v = np.linalg.eigh(scatter)
    variances, v = variances[::-1].clip(min=0), v[:, ::-1]  # eigh sorts upwards
    k = kept_count(variances)
    return v[:, :k] / np.sqrt(variances[:k])


def grid_values(means, rows_kept, columns_kept):
    """Mean correlations row by row, and how many directions the cut kept of each layer."""
    return {"means": means, "kept_rows": rows_kept, "kept_columns": columns_kept}
