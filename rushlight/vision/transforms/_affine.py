"""Matrices of affine and perspective maps, from the output's coordinates to the input's."""

import math
from collections.abc import Sequence

import numpy as np


def inverse_affine_matrix(
    center: Sequence[float],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
) -> list[float]:
    """The six numbers of the inverse of ``T C R Sx Sy S C^-1``.

    T moves by ``translate``, C moves to ``center``, R turns by ``angle`` (degrees), Sx and Sy shear
    by angles, S scales. With the turn and both shears in one matrix ``RSS = [[a, b], [c, d]]`` (of
    determinant 1), the inverse is ``C (RSS * scale)^-1 C^-1 T^-1``.
    """
    turn = math.radians(angle)
    sx, sy = math.radians(shear[0]), math.radians(shear[1])
    cx, cy = center
    tx, ty = translate
    a = math.cos(turn - sy) / math.cos(sy)
    b = -math.cos(turn - sy) * math.tan(sx) / math.cos(sy) - math.sin(turn)
    c = math.sin(turn - sy) / math.cos(sy)
    d = -math.sin(turn - sy) * math.tan(sx) / math.cos(sy) + math.cos(turn)
    matrix = [x / scale for x in (d, -b, 0.0, -c, a, 0.0)]
    matrix[2] += matrix[0] * (-cx - tx) + matrix[1] * (-cy - ty)
    matrix[5] += matrix[3] * (-cx - tx) + matrix[4] * (-cy - ty)
    matrix[2] += cx
    matrix[5] += cy
    return matrix


def perspective_coefficients(
    startpoints: Sequence[Sequence[int]], endpoints: Sequence[Sequence[int]]
) -> list[float]:
    """(a ... h) of ``x = (a X + b Y + c) / (g X + h Y + 1)``, ``y = (d X + e Y + f) / (...)``.

    (X, Y) are the end points, (x, y) the start points.
    """
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"Please provide exactly four corners, got {len(startpoints)} startpoints and "
            f"{len(endpoints)} endpoints."
        )
    rows, values = [], []
    for (x, y), (X, Y) in zip(startpoints, endpoints):
        rows.append([X, Y, 1, 0, 0, 0, -x * X, -x * Y])
        rows.append([0, 0, 0, X, Y, 1, -y * X, -y * Y])
        values += [x, y]
    solution = np.linalg.lstsq(np.array(rows, np.float64), np.array(values, np.float64), rcond=None)
    return np.float32(solution[0]).tolist()  # type: ignore[no-any-return]
