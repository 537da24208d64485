"""Speed of the layer on a GPU, against the bandwidth of a copy on it: `python benchmarks/layer_cuda.py`.

In one run: `copy_` of the clip, the published steps in eager PyTorch, the plain steps through `torch.compile`, and
the kernels in Triton, from floats and from bytes, with prompts of float32 and of bfloat16. For each: milliseconds, the
bytes that it cannot avoid moving (the clip once, the results once; backward the clip and the prompt's gradient), and
the share of the copy's bandwidth at which it moves them. 1 is the memory's speed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median

import torch
from layer import LARGE, MEAN, SMALL, STD, published_steps
from torch import Tensor

from vmp.layer.kernels import registry, triton_driver
from vmp.layer.published import VideoMotionPrompt

SHAPES = (SMALL, LARGE, (32, 3, 17, 224, 224))


def timed(candidates: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds by the GPU's clock. Candidates take turns, and a fill in between empties the caches."""
    flush = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for round_ in range(rounds + 3):
        for name, run in candidates.items():
            flush.zero_()
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            run()
            end.record()
            torch.cuda.synchronize()
            if round_ >= 3:  # the first ones compile
                times[name].append(start.elapsed_time(end))
    return {name: median(values) for name, values in times.items()}


def measure(shape: tuple[int, ...], rounds: int) -> None:
    """Print the table of one shape."""
    b, _, t, h, w = shape
    frames = torch.randint(0, 256, (b, t, h, w, 3), dtype=torch.uint8, device="cuda").permute(0, 4, 1, 2, 3)
    clip = registry.normalize(frames, MEAN, STD)
    into, one = torch.empty_like(clip), torch.ones((), device="cuda")
    upstream = {
        dtype: torch.randn(b, 3, t - 1, h, w, device="cuda").to(dtype) for dtype in (torch.float32, torch.bfloat16)
    }
    layer = VideoMotionPrompt(MEAN, STD, kernel="plain", check_finite=False).cuda()
    slope, shift = layer.slope.detach().double().requires_grad_(), layer.shift.detach().double().requires_grad_()

    def triton(source: Tensor, dtype: torch.dtype) -> Callable[[], tuple[Tensor, ...]]:
        return lambda: triton_driver.TritonSteps.apply(source, slope, shift, layer.steps, dtype)

    runs: dict[str, tuple[Callable[[], tuple[Tensor, ...]], int, torch.dtype]] = {
        "published, eager": (lambda: published_steps(clip, layer.m, layer.n), 4, torch.float32),
        "plain, compiled": (
            lambda: tuple(registry.compiled(clip, layer.m, layer.n, layer.steps)), 4, torch.float32),
        "triton": (triton(clip, torch.float32), 4, torch.float32),
        "triton, to bfloat16": (triton(clip, torch.bfloat16), 4, torch.bfloat16),
        "triton, from bytes": (triton(frames, torch.float32), 1, torch.float32),
        "triton, bytes to bfloat16": (triton(frames, torch.bfloat16), 1, torch.bfloat16),
    }  # fmt: skip
    pixels, maps = b * t * h * w, b * (t - 1) * h * w
    moved = {"copy_": 2 * clip.nbytes}
    forward: dict[str, Callable[[], object]] = {"copy_": lambda: into.copy_(clip)}
    both = dict(forward)

    def without_gradients(run: Callable[[], object]) -> Callable[[], object]:
        def call() -> object:
            with torch.no_grad():
                return run()

        return call

    def with_backward(run: Callable[[], tuple[Tensor, ...]], dtype: torch.dtype) -> Callable[[], None]:
        def call() -> None:
            out = run()
            torch.autograd.backward([out[0], out[2]], [upstream[dtype], one])

        return call

    results, gradients = {}, {}
    for name, (run, width, dtype) in runs.items():
        results[name] = 3 * width * pixels + (3 * dtype.itemsize + 4) * maps
        gradients[name] = 3 * width * pixels + 3 * dtype.itemsize * maps
        forward[name], both[name] = without_gradients(run), with_backward(run, dtype)
    print(f"\n{shape}")
    for title, candidates, more in (("forward", forward, False), ("forward + backward", both, True)):
        times = timed(candidates, rounds)
        bandwidth = moved["copy_"] / times["copy_"]
        print(f"  {title}: copy_ {times['copy_']:.3f} ms, {bandwidth / 1e6:.0f} GB/s")
        for name, milliseconds in times.items():
            if name == "copy_":
                continue
            bytes_ = results[name] + (gradients[name] if more else 0)
            print(
                f"    {name:26} {milliseconds:8.3f} ms  {times['published, eager'] / milliseconds:6.1f}x  "
                f"{bytes_ / 1e6:8.1f} MB  {bytes_ / milliseconds / bandwidth:5.2f} of the copy's bandwidth"
            )


def main() -> None:
    """Print times and memory of each shape beside the published steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--block", type=int, default=triton_driver.BLOCK, help="pixels of a program")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("this machine has no CUDA device, so there is nothing to measure; on the CPU: benchmarks/layer.py")
        return
    triton_driver.BLOCK = arguments.block
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}, {arguments.block} pixels a program")
    for shape in SHAPES:
        measure(shape, arguments.rounds)


if __name__ == "__main__":
    main()
