"""What torch asks of a kernel: any upstream gradient, hooks, autocast, default types, transforms, export."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.vmp.layer.fused import FUSED, MEAN, STD, clip_of
from vmp.core.errors import InputError
from vmp.layer.kernels import buffers
from vmp.layer.published import VideoMotionPrompt


@pytest.mark.parametrize("kernel", FUSED)
@pytest.mark.parametrize("upstream", ["sum", "transposed", "prompt only", "variation only"])
def test_any_upstream_gradient_is_understood(upstream: str, kernel: str) -> None:
    clip, grads = clip_of(2, 3, 4, 9, 8), []
    for name in ("plain", kernel):
        layer = VideoMotionPrompt(MEAN, STD, kernel=name)
        out = layer(clip)
        loss = {
            "sum": out.prompt.sum() + out.variation,
            "transposed": (out.prompt.transpose(1, 2) * torch.arange(8.0)).sum(),
            "prompt only": out.prompt.square().sum(),
            "variation only": out.variation,
        }[upstream]
        loss.backward()
        grads.append(torch.stack([layer.m.grad, layer.n.grad]))
    torch.testing.assert_close(grads[1], grads[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", FUSED)
def test_hooks_on_saved_tensors_may_change_their_layout(kernel: str) -> None:
    layer, clip, grads = VideoMotionPrompt(MEAN, STD, kernel=kernel), clip_of(2, 3, 4, 9, 8), []
    for unpack in (lambda x: x, lambda x: x.transpose(-1, -2).contiguous().transpose(-1, -2) if x.ndim else x):
        with torch.autograd.graph.saved_tensors_hooks(lambda x: x, unpack):
            variation = layer(clip).variation
        grads.append(torch.autograd.grad(variation, layer.n)[0])
    torch.testing.assert_close(grads[1], grads[0], rtol=1e-5, atol=0)


def test_gradcheck_of_the_fused_function_in_float64() -> None:
    layer = VideoMotionPrompt(MEAN, STD, kernel="blocked", n=0.2).double()
    clip = clip_of(1, 3, 4, 2, 3).double().requires_grad_()

    def steps(clip: Tensor, m: Tensor, n: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.func.functional_call(layer, {"m": m, "n": n}, (clip,)))

    assert torch.autograd.gradcheck(steps, (clip, layer.m, layer.n))


def test_autocast_does_not_change_the_numbers() -> None:
    layer, clip = VideoMotionPrompt(MEAN, STD), clip_of(1, 3, 4, 16, 16)
    plain = layer(clip)
    with torch.autocast("cpu", torch.bfloat16):
        under = layer(clip)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(plain, under, strict=True))


@pytest.mark.parametrize("kernel", FUSED)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_default_type_of_torch_does_not_change_the_numbers(dtype: torch.dtype, kernel: str) -> None:
    layer, clip = VideoMotionPrompt(MEAN, STD, kernel=kernel), clip_of(1, 3, 4, 16, 16)
    before, expected = torch.get_default_dtype(), layer(clip)
    try:
        torch.set_default_dtype(dtype)
        assert buffers.empty((1, 2)).dtype == torch.float32  # or the kernel would write past the end
        got = layer(clip)
    finally:
        torch.set_default_dtype(before)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(got, expected, strict=True))


def test_a_second_derivative_is_refused_and_the_plain_kernel_has_it() -> None:
    clip = clip_of(1, 3, 4, 4, 4)
    for kernel in ("plain", "blocked"):
        layer = VideoMotionPrompt(MEAN, STD, kernel=kernel)
        (grad,) = torch.autograd.grad(layer(clip).prompt.sum(), layer.n, create_graph=True)
        if kernel == "plain":
            assert torch.isfinite(torch.autograd.grad(grad, layer.n)[0])
        else:
            with pytest.raises(RuntimeError, match="does not require grad"):
                torch.autograd.grad(grad, layer.n)


def test_transforms_of_torch_take_the_plain_steps() -> None:
    layer, clips = VideoMotionPrompt(MEAN, STD), clip_of(2, 3, 4, 6, 5)

    def loss(m: Tensor, clip: Tensor, kernel: str = "auto") -> Tensor:
        layer.kernel = kernel
        out = torch.func.functional_call(layer, {"m": m, "n": layer.n}, (clip[None],))
        return out.prompt.square().sum() + out.variation

    m = layer.m.detach()
    per_sample = torch.func.vmap(torch.func.grad(loss), (None, 0))(m, clips)
    for gradient, clip in zip(per_sample, clips, strict=True):
        (expected,) = torch.autograd.grad(loss(layer.m, clip), layer.m)
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)
        _, along = torch.func.jvp(lambda m, clip=clip: loss(m, clip), (m,), (torch.ones(()),))
        torch.testing.assert_close(along, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match=r'kernel "blocked" has gradients, but not the transforms of torch\.func'):
        torch.func.grad(loss)(m, clips[0], "blocked")


def test_an_exported_layer_gives_the_numbers_of_the_layer() -> None:
    layer, clip = VideoMotionPrompt(MEAN, STD), clip_of(2, 3, 4, 6, 5)
    exported = torch.export.export(layer, (clip,)).module()
    for got, expected in zip(exported(clip), layer(clip), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
