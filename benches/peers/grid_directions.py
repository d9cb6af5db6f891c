"""SVCCA of all rows against all columns with the aligned directions of both sides.

As grid_once, but for every pair the samples along the directions of x and of y, [n, m] each and of unit variance. They
are not kept: `direction_means` says what they give back, the mean correlation of each direction of x with its partner.
"""

import numpy as np
from layers import basis_by_covariance, basis_by_svd, grid_values, load_grid
from measuring import measured


def grid(layers, basis):
    rows, columns = ([basis(layer) for layer in side] for side in layers)
    pairs = [[correlated(x, y) for y in columns] for x in rows]
    means, direction_means = ([[pair[i] for pair in row] for row in pairs] for i in range(2))
    values = grid_values(means, [x.shape[1] for x in rows], [y.shape[1] for y in columns])
    return values | {"direction_means": direction_means}


def correlated(x, y):
    a, correlations, bt = np.linalg.svd(x.T @ y, full_matrices=False)
    unit = np.sqrt(len(x) - 1)  # a column of x @ a has length 1, so variance 1 / (n - 1)
    x_along, y_along = x @ (a * unit), y @ (bt.T * unit)
    found = np.vdot(x_along, y_along) / (len(x) - 1) / len(correlations)
    return float(correlations.mean()), float(found)


if __name__ == "__main__":
    variants = {
        "svd": lambda layers: grid(layers, basis_by_svd),
        "covariance": lambda layers: grid(layers, basis_by_covariance),
    }
    measured(__doc__, load_grid, variants)
