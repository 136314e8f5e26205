"""Compute the coefficients in `kernels/elementary.py`. Needs mpmath; prints Python.

    python tests/kernels/fit_coefficients.py

Each set minimises the largest relative error of the function that it serves, by Remez exchange
in 40 digits.
"""

from collections.abc import Callable

from mpmath import cos, erf, erfc, exp, expm1, log, lu_solve, matrix, mp, mpf, pi, polyval, sqrt

mp.dps = 40
Function = Callable[[mpf], mpf]
GRID = 1500


def chebyshev(a: mpf, b: mpf, i: mpf, n: int) -> mpf:
    """Points that crowd towards both ends of [a, b], as the extremes of a best error do."""
    return (a + b) / 2 - (b - a) / 2 * cos(pi * i / n)


def extremes(errors: list[mpf], count: int) -> list[int]:
    """Where a sign-changing error is largest between its changes; the `count` foremost."""
    found: list[int] = []
    for i, error in enumerate(errors):
        if not found or (error > 0) != (errors[found[-1]] > 0):
            found.append(i)
        elif abs(error) > abs(errors[found[-1]]):
            found[-1] = i
    while len(found) > count:
        found.pop(0 if abs(errors[found[0]]) < abs(errors[found[-1]]) else -1)
    return found


def minimax(f: Function, weight: Function, a: mpf, b: mpf, degree: int) -> list[mpf]:
    """The polynomial p whose largest |weight (p - f)| on [a, b] is least.

    The error of the best one reaches its largest size at degree + 2 points, with alternating
    signs. Solve for an error that does so at guessed points, move them to where that error is
    largest, and repeat.
    """
    grid = [chebyshev(a, b, mpf(i), GRID) for i in range(GRID + 1)]
    targets, weights = [f(x) for x in grid], [weight(x) for x in grid]
    points = [chebyshev(a, b, i + mpf("0.47"), degree + 2) for i in range(degree + 2)]
    for _ in range(60):
        rows = [
            [*(weight(x) * x**j for j in range(degree + 1)), (-1) ** i]
            for i, x in enumerate(points)
        ]
        *p, level = lu_solve(matrix(rows), matrix([weight(x) * f(x) for x in points]))
        errors = [
            w * (polyval(p[::-1], x) - y) for x, y, w in zip(grid, targets, weights, strict=True)
        ]
        if max(map(abs, errors)) < 1.005 * abs(level):
            break
        points = [grid[i] for i in extremes(errors, degree + 2)]
    print(f"# largest relative error {mp.nstr(max(map(abs, errors)), 2)}")
    return p


def show(name: str, p: list[mpf], digits: int) -> None:
    print(f"{name} = (")
    for c in p:
        print(f"    {mp.nstr(c, digits, strip_zeros=False)},")
    print(")")


def expm1_remainder(r: mpf) -> mpf:
    return (expm1(r) - r) / r**2 if abs(r) > mpf("1e-12") else mpf(1) / 2 + r / 6


def expm1_weight(r: mpf) -> mpf:
    return r**2 / abs(expm1(r)) if r else mpf(0)


def erf_over_x(z: mpf) -> mpf:
    """erf(x)/x - 1 in z = x²."""
    return erf(sqrt(z)) / sqrt(z) - 1 if z > mpf("1e-25") else 2 / sqrt(pi) - 1


def abscissa(t: mpf) -> mpf:
    """The x of t = (x - 2.5)/(x + 2.5)."""
    return mpf("2.5") * (1 + t) / (1 - t)


if __name__ == "__main__":
    edge = log(2) / 2 * mpf("1.001")
    show("EXPM1_32", minimax(expm1_remainder, expm1_weight, -edge, edge, 4), 12)
    show("EXPM1", minimax(expm1_remainder, expm1_weight, -edge, edge, 10), 20)
    near = minimax(erf_over_x, lambda z: 1 / (1 + erf_over_x(z)), mpf(0), mpf(1), 11)
    show("ERF_NEAR", near, 20)
    low, high = ((mpf(x) - mpf("2.5")) / (mpf(x) + mpf("2.5")) for x in (1, 6))
    far = minimax(
        lambda t: erfc(abscissa(t)) * exp(abscissa(t) ** 2),
        lambda t: exp(-(abscissa(t) ** 2)) / erf(abscissa(t)),
        low,
        high,
        10,
    )
    show("ERF_FAR", far, 20)
