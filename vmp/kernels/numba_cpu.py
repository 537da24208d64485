"""The fused steps for the CPU, compiled by numba: one pass over the clip forward, one backward, nothing kept between.

Work is cut into items (sample, run of pixels) that fit the cache; an item walks through time once. The loops over
pixels are short functions without branches, which LLVM turns into vector instructions. Importing this module imports
numba (0.2 s); the first call compiles (about 4 s), later processes read the compiled code from numba's cache.

Arrays come flat, each with a layout (batch, channel, time, pixel stride) in elements: planes, channels-last clips,
slices in time and expanded gradients are all read where they lie.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from vmp.kernels.nontemporal import LANES, store_products

f32, f64, i32 = np.float32, np.float64, np.int32

# exp(r) for |r| <= ln 2 / 2 to 1e-7 (the coefficients of the Cephes library), with ln 2 split for an exact reduction.
_LOG2E, _LN2_HIGH, _LN2_LOW = f32(1.4426950408889634), f32(0.693359375), f32(-2.12194440e-4)
_P0, _P1, _P2 = f32(1.9875691500e-4), f32(1.3981999507e-3), f32(8.3334519073e-3)
_P3, _P4, _P5 = f32(4.1665795894e-2), f32(1.6666665459e-1), f32(5.0000001201e-1)
_ZERO, _ONE, _LIMIT = f32(0.0), f32(1.0), f32(87.0)  # e^88 overflows
_ROUND, _BIAS, _MANTISSA = f32(12582912.0), i32(127), i32(23)  # 1.5 * 2^23: adding it rounds to an integer

# "contract" allows fused multiply-add. Sums need "reassoc" to be spread over vector lanes; the exponential must not
# have it, or (y + _ROUND) - _ROUND becomes y. Division as in numpy: Python's check for zero stops vectorisation.
_plain: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
_sums: dict[str, Any] = {**_plain, "fastmath": {"contract", "reassoc", "nsz"}}


@njit(**_plain)
def _exp(y):
    y = _LIMIT if y > _LIMIT else y
    y = -_LIMIT if y < -_LIMIT else y
    shifted = y * _LOG2E + _ROUND
    k = shifted - _ROUND
    r = y - k * _LN2_HIGH
    r = r - k * _LN2_LOW
    p = ((((_P0 * r + _P1) * r + _P2) * r + _P3) * r + _P4) * r + _P5
    power = i32((f32(shifted).view(i32) + _BIAS) << _MANTISSA)
    return (p * (r * r) + r + _ONE) * power.view(f32)


@njit(**_plain)
def _run(flat, start, step, count, spare):
    """`count` pixels of one plane from `start`: a view where they are contiguous, otherwise gathered into `spare`."""
    if step == 1:
        return flat[start : start + count]
    for i in range(count):
        spare[i] = flat[start + i * step]
    return spare[:count]


@njit(**_plain)
def _frame(flat, layout, b, t, first, count, spare):
    """Pixels first..first+count of the three channels of one frame."""
    batch, channel, time, step = layout
    start = b * batch + t * time + first * step
    return (
        _run(flat, start, step, count, spare[0]),
        _run(flat, start + channel, step, count, spare[1]),
        _run(flat, start + 2 * channel, step, count, spare[2]),
    )


@njit(**_plain)
def _gray(frame, w, gray):
    w0, w1, w2 = w
    x0, x1, x2 = frame
    for i in range(gray.size):
        gray[i] = w0 * f64(x0[i]) + (w1 * f64(x1[i]) + w2 * f64(x2[i]))


@njit(**_sums)
def _exponent(frame, w, a, b, signed, gray, z):
    """z = a (D - b) in float64, rounded once: a, up to 50, would magnify the error of D. Returns the sum of z.

    `gray` holds the gray levels of the frame before, and those of `frame` afterwards.
    """
    w0, w1, w2 = w
    x0, x1, x2 = frame
    total = 0.0
    for i in range(z.size):
        g = w0 * f64(x0[i]) + (w1 * f64(x1[i]) + w2 * f64(x2[i]))
        d = g - gray[i]
        gray[i] = g
        d = a * ((d if signed else abs(d)) - b)
        z[i] = d
        total += d
    return total


@njit(**_plain)
def _attention(z, attention):
    for i in range(z.size):
        attention[i] = _ONE / (_ONE + _exp(-z[i]))


@njit(**_plain)
def _attention_and_derivative(z, attention, derivative):
    """A and A' = e A^2, which keeps its relative accuracy where 1 - A has none left."""
    for i in range(z.size):
        e = _exp(-z[i])
        x = _ONE / (_ONE + e)
        attention[i] = x
        derivative[i] = (e * x) * x


@njit(**_sums)
def _squared_distance(x, y):
    total = _ZERO
    for i in range(x.size):
        d = x[i] - y[i]
        total += d * d
    return f64(total)


@njit(**_plain)
def _product(x, y, out):
    for i in range(x.size):
        out[i] = x[i] * y[i]


@njit(**_plain)
def _product_past_cache(x, y, out):
    lines = x.size // LANES
    store_products(x, y, out, lines)
    for i in range(lines * LANES, x.size):
        out[i] = x[i] * y[i]


@njit(**_plain)
def _store_product(weight, frame, prompt, layout, start, past_cache):
    """Write weight * frame to the three channels of the prompt, from element `start` of the first."""
    x0, x1, x2 = frame
    count, channel, step = weight.size, layout[1], layout[3]
    if past_cache:
        _product_past_cache(weight, x0, prompt[start : start + count])
        _product_past_cache(weight, x1, prompt[start + channel : start + channel + count])
        _product_past_cache(weight, x2, prompt[start + 2 * channel : start + 2 * channel + count])
    elif step == 1:
        _product(weight, x0, prompt[start : start + count])
        _product(weight, x1, prompt[start + channel : start + channel + count])
        _product(weight, x2, prompt[start + 2 * channel : start + 2 * channel + count])
    else:
        for i in range(count):
            at = start + i * step
            prompt[at] = weight[i] * x0[i]
            prompt[at + channel] = weight[i] * x1[i]
            prompt[at + 2 * channel] = weight[i] * x2[i]


@njit(**_plain)
def forward(
    clip, layout, shape, w, a, b, signed, later, prompt, prompt_layout, past_cache, attention, items, block, sums
):
    """Write prompt and attention of the items; sums = (of all z, of the squared differences of consecutive maps).

    past_cache: store the prompt past the cache; every run of pixels then starts on a multiple of 64 bytes.
    """
    frames, pixels = shape
    runs = (pixels + block - 1) // block
    gray, z, spare = np.empty(block, f64), np.empty(block, f32), np.empty((2, 3, block), f32)
    total, squares = 0.0, 0.0
    for item in range(items[0], items[1]):
        sample, first = item // runs, (item % runs) * block
        count = min(block, pixels - first)
        old = _frame(clip, layout, sample, 0, first, count, spare[0])
        _gray(old, w, gray[:count])
        for t in range(frames - 1):
            new = _frame(clip, layout, sample, t + 1, first, count, spare[(t + 1) % 2])
            total += _exponent(new, w, a, b, signed, gray[:count], z[:count])
            at = (sample * (frames - 1) + t) * pixels + first
            weight = attention[at : at + count]
            _attention(z[:count], weight)
            if t > 0:
                squares += _squared_distance(weight, attention[at - pixels : at - pixels + count])
            start = sample * prompt_layout[0] + t * prompt_layout[2] + first * prompt_layout[3]
            _store_product(weight, new if later else old, prompt, prompt_layout, start, past_cache)
            old = new
    sums[0], sums[1] = total, squares


@njit(**_plain)
def _inner(g, x, out):
    g0, g1, g2 = g
    x0, x1, x2 = x
    for i in range(out.size):
        out[i] = g0[i] * x0[i] + (g1[i] * x1[i] + g2[i] * x2[i])


@njit(**_plain)
def _add(out, x):
    for i in range(out.size):
        out[i] += x[i]


@njit(**_plain)
def _add_curvature(out, scale, x, before, behind):
    for i in range(out.size):
        out[i] += scale * ((x[i] - before[i]) + (x[i] - behind[i]))


@njit(**_sums)
def _chain(gradient, derivative, z, sums):
    """dL/dz = dL/dA A' in place; adds its sum and its sum weighted by z."""
    plain, weighted = _ZERO, _ZERO  # of a block, in the lanes of a vector; blocks are added in float64
    for i in range(gradient.size):
        g = gradient[i] * derivative[i]
        gradient[i] = g
        plain += g
        weighted += g * z[i]
    sums[0] += f64(plain)
    sums[1] += f64(weighted)


@njit(**_plain)
def _with_sign_of_difference(step, old, new, w):
    w0, w1, w2 = w
    for i in range(step.size):
        g_old = w0 * f64(old[0][i]) + (w1 * f64(old[1][i]) + w2 * f64(old[2][i]))
        g_new = w0 * f64(new[0][i]) + (w1 * f64(new[1][i]) + w2 * f64(new[2][i]))
        step[i] = step[i] if g_new > g_old else (-step[i] if g_new < g_old else _ZERO)


@njit(**_plain)
def _clip_gradient(early, late, weight, g, step, aw, later):
    """Add one pair's share to the gradient of its earlier frame, and begin that of its later frame with it."""
    if later:
        for i in range(step.size):
            early[i] -= aw * step[i]
            late[i] = aw * step[i] + weight[i] * g[i]
    else:
        for i in range(step.size):
            early[i] += weight[i] * g[i] - aw * step[i]
            late[i] = aw * step[i]


@njit(**_plain)
def _store_clip_gradient(grad_clip, start, shape, weight, g, step, a, w, later):
    """`_clip_gradient` for the three channels of a contiguous gradient; `start`: the pair's first element."""
    frames, pixels = shape
    count = step.size
    g0, g1, g2 = g
    late = start + pixels
    _clip_gradient(
        grad_clip[start : start + count], grad_clip[late : late + count], weight, g0, step, f32(a * w[0]), later
    )
    start, late = start + frames * pixels, late + frames * pixels
    _clip_gradient(
        grad_clip[start : start + count], grad_clip[late : late + count], weight, g1, step, f32(a * w[1]), later
    )
    start, late = start + frames * pixels, late + frames * pixels
    _clip_gradient(
        grad_clip[start : start + count], grad_clip[late : late + count], weight, g2, step, f32(a * w[2]), later
    )


@njit(**_plain)
def backward(clip, layout, shape, w, a, b, signed, later, grad, maps, scale, grad_clip, items, block, sums):
    """Recompute D and A, and reduce: sums = (of dL/dz, of dL/dz z).

    grad: (flat gradient of the prompt, its layout). maps: the same of the attention, or None. grad_clip: where to write
    the gradient of the clip, or None (numba compiles what is needed). scale: dL/dV * 2 / (number of terms of V).
    """
    frames, pixels = shape
    runs = (pixels + block - 1) // block
    gray, z, derivative = np.empty(block, f64), np.empty((2, block), f32), np.empty((2, block), f32)
    attention, gradient = np.empty((3, block), f32), np.empty(block, f32)
    spare, spare_grad, spare_map = np.empty((3, 3, block), f32), np.empty((3, block), f32), np.empty(block, f32)
    sums[0], sums[1] = 0.0, 0.0
    for item in range(items[0], items[1]):
        sample, first = item // runs, (item % runs) * block
        count = min(block, pixels - first)
        old = _frame(clip, layout, sample, 0, first, count, spare[0])
        new = _frame(clip, layout, sample, 1, first, count, spare[1])
        _gray(old, w, gray[:count])
        _exponent(new, w, a, b, signed, gray[:count], z[0, :count])
        _attention_and_derivative(z[0, :count], attention[0, :count], derivative[0, :count])
        for t in range(frames - 1):
            ahead, after = (t + 1) % 2, new
            if t < frames - 2:  # one pair ahead, for the gradient of V
                after = _frame(clip, layout, sample, t + 2, first, count, spare[(t + 2) % 3])
                _exponent(after, w, a, b, signed, gray[:count], z[ahead, :count])
                _attention_and_derivative(z[ahead, :count], attention[(t + 1) % 3, :count], derivative[ahead, :count])
            g = _frame(grad[0], grad[1], sample, t, first, count, spare_grad)
            step, weight = gradient[:count], attention[t % 3, :count]
            _inner(g, new if later else old, step)
            if maps is not None:
                batch, _, time, pixel = maps[1]
                _add(step, _run(maps[0], sample * batch + t * time + first * pixel, pixel, count, spare_map))
            if scale != 0:  # at the ends the missing neighbour is the map itself, which adds nothing
                before = attention[max(t - 1, 0) % 3, :count]
                behind = attention[min(t + 1, frames - 2) % 3, :count]
                _add_curvature(step, scale, weight, before, behind)
            _chain(step, derivative[t % 2, :count], z[t % 2, :count], sums)
            if grad_clip is not None:
                if not signed:
                    _with_sign_of_difference(step, old, new, w)
                start = (sample * 3 * frames + t) * pixels + first
                if t == 0:
                    for c in range(3):
                        grad_clip[start + c * frames * pixels : start + c * frames * pixels + count] = _ZERO
                _store_clip_gradient(grad_clip, start, shape, weight, g, step, a, w, later)
            old, new = new, after


@njit(**_plain)
def _unpack(pixels, x0, x1, x2):
    """Bytes of pixels (n, 3), flat, as three planes of numbers 0..255."""
    for i in range(x0.size):
        x0[i] = pixels[3 * i]
        x1[i] = pixels[3 * i + 1]
        x2[i] = pixels[3 * i + 2]


@njit(**_plain)
def _affine_product(weight, x, scale, offset, out):
    for i in range(x.size):
        out[i] = weight[i] * (x[i] * scale - offset)


@njit(**_plain)
def forward_bytes(frames, w, a, b, signed, later, scale, offset, prompt, attention, before, squares, block):
    """`forward` for consecutive frames (t, 3 h w) of bytes, read as they were decoded: x = byte * scale - offset.

    prompt: (3, t-1, h w). attention: (t-1, h w). before: the map before the first, or None. w: of bytes, w_c / 255.
    squares: (t-1,) sums of squared differences of each map to the one before it, added to.
    """
    count_of_frames, pixels = frames.shape[0], attention.shape[1]
    gray, z, planes = np.empty(block, f64), np.empty(block, f32), np.empty((2, 3, block), f32)
    for first in range(0, pixels, block):
        count = min(block, pixels - first)
        span = slice(first, first + count)
        old = (planes[0, 0, :count], planes[0, 1, :count], planes[0, 2, :count])
        new = (planes[1, 0, :count], planes[1, 1, :count], planes[1, 2, :count])
        _unpack(frames[0, 3 * first : 3 * (first + count)], old[0], old[1], old[2])
        _gray(old, w, gray[:count])
        for t in range(count_of_frames - 1):
            _unpack(frames[t + 1, 3 * first : 3 * (first + count)], new[0], new[1], new[2])
            _exponent(new, w, a, b, signed, gray[:count], z[:count])
            weight = attention[t, span]
            _attention(z[:count], weight)
            if t > 0:
                squares[t] += _squared_distance(weight, attention[t - 1, span])
            elif before is not None:
                squares[t] += _squared_distance(weight, before[span])
            chosen = new if later else old
            _affine_product(weight, chosen[0], scale[0], offset[0], prompt[0, t, span])
            _affine_product(weight, chosen[1], scale[1], offset[1], prompt[1, t, span])
            _affine_product(weight, chosen[2], scale[2], offset[2], prompt[2, t, span])
            old, new = new, old
