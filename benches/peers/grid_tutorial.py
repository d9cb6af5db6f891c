"""SVCCA of all rows against all columns, as the published tutorial does: everything again for every pair.

For each pair: a thin SVD of both layers, the activations projected on the directions that the cut keeps, and then CCA
of the projections from their covariances: `Sxx^{-1/2} Sxy Syy^{-1/2}`, with the inverse square roots by eigh.
"""

import numpy as np
from layers import centred, grid_values, kept_count, load_grid
from measuring import measured


def grid(layers):
    rows, columns = layers
    pairs = [[svcca(x, y) for y in columns] for x in rows]
    means = [[mean for mean, _, _ in row] for row in pairs]
    return grid_values(means, [row[0][1] for row in pairs], [kept for _, _, kept in pairs[0]])


def svcca(x, y):
    """The mean correlation, and what was kept of x and of y."""
    x, y = projected(x), projected(y)
    return cca(x, y), x.shape[1], y.shape[1]


def projected(layer):
    u, s, _ = np.linalg.svd(centred(layer), full_matrices=False)
    k = kept_count(s**2)
    return u[:, :k] * s[:k]


def cca(x, y):
    """Of centred x and y of full rank."""
    xx, yy, xy = (product / (len(x) - 1) for product in (x.T @ x, y.T @ y, x.T @ y))
    whitened = inverse_square_root(xx) @ xy @ inverse_square_root(yy)
    return float(np.linalg.svd(whitened, compute_uv=False).mean())


def inverse_square_root(covariance):
    variances, v = np.linalg.eigh(covariance)
    return (v / np.sqrt(variances)) @ v.T


if __name__ == "__main__":
    measured(__doc__, load_grid, {"svd": grid})
