r"""`exp`, `tanh`, `sigmoid` and `erf` that a compiler can turn into vector instructions.

A call of libm inside a loop keeps LLVM from vectorizing it, and costs 40 times what these do. In
Python each function below is NumPy's; in a compiled loop the same name stands for a short source
without branches, which LLVM runs on 8 or 16 numbers at a time. They hold for every input,
subnormal numbers, infinities and NaN included, within

==========  ===================  ===================
function    float32              float64
==========  ===================  ===================
`exp`       1.1 ulp              1.1 ulp
`tanh`      2.6 ulp              2.6 ulp
`sigmoid`   2.5 ulp              2.5 ulp
`erf`       0.51 ulp             1.5 ulp
==========  ===================  ===================

of the true value; where that is below the normal numbers, the float32 `sigmoid` may give 0. The
tests sweep them; `tests/kernels/fit_coefficients.py` computes the coefficients, each set by Remez
exchange.

The exponential is reduced by $x = k \ln 2 + r$ with $|r| \le \tfrac12 \ln 2$, where $\ln 2$ is
taken in two parts so that nothing is lost in the difference (Cody and Waite, *Software Manual for
the Elementary Functions*, 1980, chapter 6). Then $e^x = 2^k e^r$ and
$e^r - 1 = r + r^2 q(r)$. The nearest integer comes from adding $1.5 \cdot 2^{23}$, which pushes
the fraction out of a float32 and leaves $k$ in its last bits. Shifted up by 23 places they are an
exponent, and all other bits are gone.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.kernels.compiling import inlined
from tinygrad_rnn.kernels.dispatch import kernel

Array = NDArray[Any]

# Constants of a float32 loop must be float32, else the loop computes in float64.
F32, F64 = np.float32, np.float64
ONE_32, TWO_32 = F32(1), F32(2)
LOG2_E = 1.4426950408889634
LOG2_E_32 = F32(LOG2_E)
LN2_HIGH_32, LN2_LOW_32 = F32(0.693359375), F32(-2.12194440e-4)
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
ROUNDER_32, ROUNDER = F32(1.5 * 2**23), 1.5 * 2**52
ROUNDER_BITS_32, ROUNDER_BITS = 0x4B400000, 0x4338000000000000
EXP_HIGHEST_32, EXP_LOWEST_32 = F32(89), F32(-105)  # from here on infinity and 0
EXP_HIGHEST, EXP_LOWEST = 710.0, -746.0
SIGMOID_LOWEST_32, SIGMOID_HIGHEST_32 = F32(-89), F32(87)  # from here on 0 and 1
TANH_IS_ONE_32, TANH_IS_ONE = F32(9.02), 19.07

# Polynomials, lowest power first: q in e^r - 1 = r + r^2 q(r), for |r| <= ln(2)/2; n in
# erf(x) = x + x n(x^2), for 0 <= x <= 1; f in erf(x) = 1 - exp(-x^2) f((x - 2.5)/(x + 2.5)), for
# 1 <= x <= 6.
EXPM1_32 = (
    F32(0.499999981439),
    F32(0.166665431776),
    F32(0.0416672017899),
    F32(0.00836658039021),
    F32(0.00138825104114),
)
EXPM1 = (
    0.50000000000000000086,
    0.16666666666666676597,
    0.041666666666666507334,
    0.0083333333333216072371,
    0.0013888888888962907483,
    0.00019841269886208389918,
    0.000024801587171831117407,
    2.7557244103767861240e-6,
    2.7557402950117339879e-7,
    2.5109081536733741903e-8,
    2.0875325565911704117e-9,
)
ERF_NEAR = (
    0.12837916709551256565,
    -0.37612638903183519558,
    0.11283791670944185369,
    -0.026866170643111559372,
    0.0052239776061191769491,
    -0.00085483259293464315782,
    0.00012055293577810606755,
    -0.000014924712318665920361,
    1.6447131766736704343e-6,
    -1.6206315178913550638e-7,
    1.3710986215481323290e-8,
    -7.7794787515936496485e-10,
)
ERF_FAR = (
    0.21080636406114688952,
    -0.37173673394926953979,
    0.25171319320617253636,
    -0.12503305245380645702,
    0.039922540078335620464,
    -0.0039936843288675544399,
    -0.0026422835121740293007,
    0.00087591877712818481108,
    0.00022673169644927191165,
    -0.00013656079130993174177,
    -0.000051022037049121869303,
)


@inlined()
def horner(x: Any, coefficients: tuple[Any, ...]) -> Any:
    r"""The polynomial $c_0 + c_1 x + c_2 x^2 + \dots$ of a number or an array.

    Example:
        >>> horner(2.0, (1.0, 0.0, 3.0))
        13.0
    """
    y = coefficients[-1]
    for i in range(len(coefficients) - 2, -1, -1):
        y = y * x + coefficients[i]
    return y


@inlined()
def power_of_two_32(k: Any) -> Any:
    """The float32 with exponent `k`, for `k` from -126 to 127, and infinity for 128.

    Only the last nine bits of `k` count.
    """
    return np.int32((k + 127) << 23).view(np.float32)


@inlined()
def power_of_two(k: Any) -> Any:
    """The float64 with exponent `k`, for `k` from -1022 to 1023."""
    return np.int64((k + 1023) << 52).view(np.float64)


@inlined()
def reduced_32(x: Any) -> Any:
    r"""Bits that end in those of $k$, and $e^r - 1$, for $x = k \ln 2 + r$."""
    shifted = F32(x * LOG2_E_32 + ROUNDER_32)
    k = shifted - ROUNDER_32
    r = x - k * LN2_HIGH_32 - k * LN2_LOW_32
    return shifted.view(np.int32), r + r * r * horner(r, EXPM1_32)


@inlined()
def reduced(x: Any) -> Any:
    r"""$k$ and $e^r - 1$ for $x = k \ln 2 + r$."""
    shifted = F64(x * LOG2_E + ROUNDER)
    k = shifted - ROUNDER
    r = x - k * LN2_HIGH - k * LN2_LOW
    return shifted.view(np.int64) - ROUNDER_BITS, r + r * r * horner(r, EXPM1)


def exp(x: Any) -> Any:
    """The exponential."""
    return np.exp(x)


@inlined(exp, "float32")
def exp_32(x: Any) -> Any:
    """The scale is applied in two halves, so that the result may be subnormal."""
    x = EXP_HIGHEST_32 if x > EXP_HIGHEST_32 else x
    x = EXP_LOWEST_32 if x < EXP_LOWEST_32 else x
    bits, expm1_r = reduced_32(x)
    k = np.int32(bits - ROUNDER_BITS_32)  # Numba's integers are wide, unless told
    half = np.int32(k >> 1)
    return (expm1_r + ONE_32) * power_of_two_32(half) * power_of_two_32(k - half)


@inlined(exp, "float64")
def exp_64(x: Any) -> Any:
    """As in float32."""
    x = EXP_HIGHEST if x > EXP_HIGHEST else x
    x = EXP_LOWEST if x < EXP_LOWEST else x
    k, expm1_r = reduced(x)
    half = k >> 1
    return (expm1_r + 1.0) * power_of_two(half) * power_of_two(k - half)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return np.tanh(x)


@inlined(tanh, "float32")
def tanh_32(x: Any) -> Any:
    r"""$\tanh a = E/(E + 2)$ with $E = e^{2a} - 1 = 2^k (e^r - 1) + (2^k - 1)$, for $a = |x|$.

    Near 0 it is $k = 0$ and nothing cancels; for larger $a$ both terms of $E$ are what they are
    to the last place.
    """
    a = abs(x)
    a = TANH_IS_ONE_32 if a > TANH_IS_ONE_32 else a
    bits, expm1_r = reduced_32(a + a)
    scale = power_of_two_32(bits)
    e = scale * expm1_r + (scale - ONE_32)
    return np.copysign(e / (e + TWO_32), x)


@inlined(tanh, "float64")
def tanh_64(x: Any) -> Any:
    """As in float32."""
    a = abs(x)
    a = TANH_IS_ONE if a > TANH_IS_ONE else a
    k, expm1_r = reduced(a + a)
    scale = power_of_two(k)
    e = scale * expm1_r + (scale - 1.0)
    return np.copysign(e / (e + 2.0), x)


@kernel(pays=lambda x: np.size(x) >= 32768, within=3)
def sigmoid(x: Any, /) -> Any:
    r"""The logistic function $\sigma(x) = 1/(1 + e^{-x})$, to the last places of both tails.

    For negative $x$ it is written $e^x/(1 + e^x)$, which neither overflows nor loses small values.

    Example:
        >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
        array([0. , 0.5, 1. ])
    """
    e = np.exp(-np.abs(x))
    return np.where(np.less(x, 0), e, 1) / (1 + e)


@inlined(sigmoid, "float32")
def sigmoid_32(x: Any) -> Any:
    r"""$1/(1 + e^{-x})$ as it stands: an infinite $e^{-x}$ makes it 0."""
    x = SIGMOID_LOWEST_32 if x < SIGMOID_LOWEST_32 else x
    x = SIGMOID_HIGHEST_32 if x > SIGMOID_HIGHEST_32 else x
    bits, expm1_r = reduced_32(-x)
    return ONE_32 / (ONE_32 + (expm1_r + ONE_32) * power_of_two_32(bits))


@inlined(sigmoid, "float64")
def sigmoid_64(x: Any) -> Any:
    """As in the reference."""
    e = exp(-abs(x))
    return (e if x < 0 else 1.0) / (1.0 + e)


@sigmoid.defloop
def _sigmoid_loop(x: Array) -> Array:
    y = np.empty_like(x)
    for i in range(x.size):
        y.flat[i] = sigmoid(x.flat[i])
    return y


def maximum(a: Any, b: Any) -> Any:
    """The greater of two numbers, NaN if one of them is."""
    return np.maximum(a, b)


@inlined(maximum)
def _maximum(a: Any, b: Any) -> Any:
    return a if a > b or a != a else b


def minimum(a: Any, b: Any) -> Any:
    """The smaller of two numbers, NaN if one of them is."""
    return np.minimum(a, b)


@inlined(minimum)
def _minimum(a: Any, b: Any) -> Any:
    return a if a < b or a != a else b


@inlined()
def erf_near(a: Any) -> Any:
    """The error function from 0 to 1, of a number or an array."""
    return a + a * horner(a * a, ERF_NEAR)


@inlined()
def erf_far(a: Any) -> Any:
    """The error function from 1 to 6, where it has become 1, of a number or an array."""
    return 1.0 - exp(-a * a) * horner((a - 2.5) / (a + 2.5), ERF_FAR)


@kernel(pays=lambda x: np.size(x) >= 4096, within=3)
def erf(x: Any, /) -> Any:
    r"""The error function, $\operatorname{erf} x = \tfrac{2}{\sqrt\pi} \int_0^x e^{-t^2} dt$.

    Computed in float64, also for float32.

    Example:
        >>> erf(np.array([-np.inf, 0.0, 0.5]))
        array([-1.        ,  0.        ,  0.52049988])
    """
    x = np.asarray(x)
    a = np.minimum(np.abs(x), 6.0, dtype=np.float64)
    y = np.copysign(np.where(a < 1.0, erf_near(a), erf_far(a)), x)
    return y.astype(np.result_type(x, np.float16), copy=False)


@inlined(erf, "float64")
def erf_64(x: Any) -> Any:
    """As in the reference."""
    a = abs(x)
    a = 6.0 if a > 6.0 else a
    near, far = erf_near(a), erf_far(a)
    return np.copysign(near if a < 1.0 else far, x)


@inlined(erf, "float32")
def erf_32(x: Any) -> Any:
    """As in the reference."""
    return F32(erf(F64(x)))


@erf.defloop
def _erf_loop(x: Array) -> Array:
    y = np.empty_like(x)
    for i in range(x.size):
        y.flat[i] = erf(x.flat[i])
    return y
