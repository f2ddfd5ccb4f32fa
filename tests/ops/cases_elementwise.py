"""Cases: operations element by element."""

CASES = """
torch.abs(x) | x: 2,3
torch.acos(x) | x: u 2,3
torch.acosh(x + 1) | x: p 2,3
torch.angle(x) | x: 2,3
torch.angle(x) | x: c 2,2
torch.asin(x) | x: u 2,3
torch.asinh(x) | x: 2,3
torch.atan(x) | x: 2,3
torch.atanh(x) | x: u 2,3
torch.ceil(x) | x: 2,3
torch.clamp(x, -1, 1) | x: 2,3
torch.clamp(x, min=y, max=z) | x: 2,3 | y: 3 | z: p 2,1
torch.clamp_min(x, 0.1) | x: 2,3
torch.clamp_max(x, y) | x: 2,3 | y: 3
torch.conj(x) | x: c 2,2
torch.conj_physical(x) | x: c 2,2
torch.cos(x) | x: 2,3
torch.cosh(x) | x: 2,3
torch.deg2rad(x) | x: 2,3
torch.exp(x) | x: 2,3
torch.exp(x) | x: c 2,2
torch.exp2(x) | x: 2,3
torch.expm1(x) | x: 2,3
torch.floor(x) | x: 2,3
torch.frac(x) | x: 2,3
torch.imag(x) | x: c 2,2
torch.real(x) | x: c 2,2
torch.isfinite(x) | x: 2,3
torch.isnan(x) | x: 2,3
torch.log(x) | x: p 2,3
torch.log(x) | x: c 2,2
torch.log10(x) | x: p 2,3
torch.log1p(x) | x: p 2,3
torch.log2(x) | x: p 2,3
torch.logit(x) | x: u 2,3
torch.logit(x, 0.2) | x: u 2,3
torch.nan_to_num(x) | x: 2,3
torch.neg(x) | x: 2,3
torch.positive(x) | x: 2,3
torch.rad2deg(x) | x: 2,3
torch.reciprocal(x) | x: p 2,3
torch.reciprocal(x) | x: c 2,2
torch.round(x) | x: 2,3
torch.round(x, decimals=1) | x: 2,3
torch.rsqrt(x) | x: p 2,3
torch.sgn(x) | x: 2,3
torch.sgn(x) | x: c 2,2
torch.sigmoid(x) | x: 2,3
torch.sign(x) | x: 2,3
torch.signbit(x) | x: 2,3
torch.sin(x) | x: 2,3
torch.sin(x) | x: c 2,2
torch.sinc(x) | x: 2,3
torch.sinh(x) | x: 2,3
torch.sqrt(x) | x: p 2,3
torch.sqrt(x) | x: c 2,2
torch.square(x) | x: 2,3
torch.tan(x) | x: u 2,3
torch.tanh(x) | x: 2,3
torch.trunc(x) | x: 2,3
torch.add(x, y) | x: 2,3 | y: 3
torch.add(x, y, alpha=3) | x: 2,3 | y: 2,1
torch.add(x, 2.5) | x: 2,3
torch.addcdiv(x, y, z, value=2) | x: 2,3 | y: 3 | z: p 2,1
torch.addcmul(x, y, z, value=2) | x: 2,3 | y: 3 | z: 2,1
torch.atan2(x, y) | x: 2,3 | y: 3
torch.complex(x, y) | x: 2,3 | y: 3
torch.copysign(x, y) | x: 2,3 | y: 3
torch.div(x, y) | x: 2,3 | y: p 3
torch.div(x, y) | x: c 2,2 | y: c 2
torch.div(x, y, rounding_mode="floor") | x: 2,3 | y: p 3
torch.div(x, y, rounding_mode="trunc") | x: 2,3 | y: p 3
torch.eq(x, y) | x: i3 2,3 | y: i3 3
torch.float_power(x, 2) | x: p 2,3
torch.floor_divide(x, y) | x: 2,3 | y: p 3 | nograd
torch.fmax(x, y) | x: 2,3 | y: 3
torch.fmin(x, y) | x: 2,3 | y: 3
torch.fmod(x, y) | x: 2,3 | y: p 3
torch.gcd(x, y) | x: i20 2,3 | y: i20 3
torch.ge(x, y) | x: 2,3 | y: 3
torch.heaviside(x, y) | x: 2,3 | y: 3 | nograd
torch.hypot(x, y) | x: 2,3 | y: 3
torch.lcm(x, y) | x: i20 2,3 | y: i20 3
torch.ldexp(x, y) | x: 2,3 | y: i3 3
torch.lerp(x, y, 0.3) | x: 2,3 | y: 3
torch.lerp(x, y, z) | x: 2,3 | y: 3 | z: u 2,1
torch.logaddexp(x, y) | x: 2,3 | y: 3
torch.logaddexp2(x, y) | x: 2,3 | y: 3
torch.logical_and(x, y) | x: b 2,3 | y: b 3
torch.logical_not(x) | x: b 2,3
torch.lt(x, 0.5) | x: 2,3
torch.maximum(x, y) | x: 2,3 | y: 3
torch.minimum(x, y) | x: 2,3 | y: 3
torch.mul(x, y) | x: 2,3 | y: 3
torch.mul(x, y) | x: c 2,2 | y: c 2
torch.mul(x, 3) | x: i9 2,3
torch.nextafter(x, y) | x: 2,3 | y: 3 | first
torch.pow(x, 3) | x: 2,3
torch.pow(x, y) | x: p 2,3 | y: 3
torch.pow(2, x) | x: 2,3
torch.pow(x, y) | x: c 2,2 | y: c 2
torch.remainder(x, y) | x: 2,3 | y: p 3
torch.rsub(x, y) | x: 2,3 | y: 3
torch.sub(x, y, alpha=2) | x: 2,3 | y: 3
torch.true_divide(x, y) | x: 2,3 | y: p 3
torch.where(y, x, 0.5) | x: 2,3 | y: b 2,3
torch.where(y, x, z) | x: 2,3 | y: b 2,3 | z: 3
torch.xlogy(x, y) | x: 2,3 | y: p 3
torch.bitwise_and(x, y) | x: i20 2,3 | y: i20 3
torch.bitwise_left_shift(x, y) | x: i20 2,3 | y: i3 3
torch.bitwise_not(x) | x: i20 2,3
torch.digamma(x) | x: p 2,3
torch.erf(x) | x: 2,3
torch.erfc(x) | x: 2,3
torch.erfinv(x) | x: u 2,3
torch.i0(x) | x: 2,3
torch.igamma(y, x) | x: p 2,3 | y: kp 2,3
torch.igammac(y, x) | x: p 2,3 | y: kp 2,3
torch.lgamma(x) | x: p 2,3
torch.mvlgamma(x + 2, 2) | x: p 2,3
torch.polygamma(1, x) | x: p 2,3
torch.polygamma(2, x) | x: p 2,3
torch.special.entr(x) | x: p 2,3
torch.special.erfcx(x) | x: 2,3
torch.special.i0e(x) | x: 2,3
torch.special.i1(x) | x: 2,3
torch.special.i1e(x) | x: 2,3
torch.special.log_ndtr(x) | x: 2,3
torch.special.ndtr(x) | x: 2,3
torch.special.ndtri(x) | x: u 2,3
torch.special.xlog1py(x, y) | x: 2,3 | y: p 3
torch.special.zeta(y + 2, x) | x: p 2,3 | y: kp 2,3
torch.special.bessel_j0(x) | x: k 2,3
torch.special.bessel_y1(x) | x: p 2,3 | nograd
torch.special.hermite_polynomial_h(x, 3) | x: k 2,3
F.elu(x) | x: 2,3
F.celu(x, 1.3) | x: 2,3
F.gelu(x) | x: 2,3
F.gelu(x, approximate="tanh") | x: 2,3
F.hardshrink(x) | x: 2,3
F.hardsigmoid(x) | x: 2,3
F.hardswish(x) | x: 2,3
F.hardtanh(x) | x: 2,3
F.leaky_relu(x, 0.2) | x: 2,3
F.logsigmoid(x) | x: 2,3
F.mish(x) | x: 2,3
F.relu(x) | x: 2,3
F.relu6(x) | x: 2,3
F.selu(x) | x: 2,3
F.silu(x) | x: 2,3
F.softplus(x) | x: 2,3
F.softshrink(x) | x: 2,3
F.softsign(x) | x: 2,3
F.tanhshrink(x) | x: 2,3
F.threshold(x, 0.1, 0.4) | x: 2,3
"""
