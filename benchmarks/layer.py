"""Speed and memory of the layer against an eager version of the published steps: `python benchmarks/layer.py`.

Every row is measured in this run, on this machine. Candidates take turns within a round and medians over rounds are
compared, so that a busy neighbour slows all of them; `--fastest` compares the fastest rounds instead.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from vmp.layer.kernels.pixels import scale_and_offset
from vmp.layer.kernels.registry import choose_kernel, normalize
from vmp.layer.published import VideoMotionPrompt

MEAN, STD = (0.45,) * 3, (0.225,) * 3
LARGE, SMALL = (4, 3, 17, 224, 224), (8, 3, 9, 112, 112)
Outputs = tuple[Tensor, Tensor, Tensor]


def published_steps(clip: Tensor, m: Tensor, n: Tensor) -> Outputs:
    """The baseline: each published step as one would write it down, every intermediate result in memory."""
    mean, std = (clip.new_tensor(v).view(1, 3, 1, 1, 1) for v in (MEAN, STD))
    pixels = clip * std + mean
    gray = 0.299 * pixels[:, 0] + 0.587 * pixels[:, 1] + 0.114 * pixels[:, 2]
    difference = gray[:, 1:] - gray[:, :-1]
    slope, shift = 5 / (0.45 * torch.abs(torch.tanh(m)) + 0.1), 0.6 * torch.tanh(n)
    attention = 1 / (1 + torch.exp(-slope * (difference - shift)))
    prompt = attention.unsqueeze(1).repeat(1, 3, 1, 1, 1) * clip[:, :, 1:]
    variation = (attention[:, 1:] - attention[:, :-1]).square().mean()
    return prompt, attention, variation


def clip_of(shape: tuple[int, ...]) -> Tensor:
    """A clip of random pixels, normalised."""
    return (torch.rand(shape) - 0.45) / 0.225


def forward_of(kernel: str) -> Callable[[Tensor], Outputs]:
    """The forward pass of the layer with `kernel`, or of the baseline for "published"."""
    layer = VideoMotionPrompt(MEAN, STD, kernel="auto" if kernel == "published" else kernel)
    return (lambda clip: published_steps(clip, layer.m, layer.n)) if kernel == "published" else layer


Summary = Callable[[list[float]], float]


def timed(candidates: dict[str, Callable[[], object]], rounds: int, summary: Summary = median) -> dict[str, float]:
    """Milliseconds of each candidate over the rounds, in which they take turns; one round beforehand does not count."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for round_ in range(rounds + 1):
        for name, run in candidates.items():
            start = time.perf_counter()
            result = run()
            elapsed = time.perf_counter() - start
            del result
            if round_:
                times[name].append(1e3 * elapsed)
    return {name: summary(values) for name, values in times.items()}


def speed(shape: tuple[int, ...], kernels: list[str], rounds: int, summary: Summary) -> dict[str, dict[str, float]]:
    """Milliseconds: forward without gradients, forward and backward for m and n, and with a gradient for the clip."""
    clip, into = clip_of(shape), torch.empty(shape)
    clip_with_grad = clip.clone().requires_grad_()
    upstream = torch.randn(shape[0], 3, shape[2] - 1, *shape[3:])
    one = torch.ones(())

    def forward(run: Callable[[Tensor], Outputs]) -> Callable[[], object]:
        def call() -> object:
            with torch.no_grad():
                return run(clip)

        return call

    def both(run: Callable[[Tensor], Outputs], clip: Tensor) -> Callable[[], object]:
        def call() -> None:
            prompt, _, variation = run(clip)
            torch.autograd.backward([prompt, variation], [upstream, one])
            clip.grad = None

        return call

    runs = {kernel: forward_of(kernel) for kernel in ["published", *kernels]}
    copy: dict[str, Callable[[], object]] = {"copy_": lambda: into.copy_(clip)}
    return {
        "forward": timed(copy | {k: forward(run) for k, run in runs.items()}, rounds, summary),
        "forward + backward": timed({k: both(run, clip) for k, run in runs.items()}, rounds, summary),
        "with a clip gradient": timed(
            {k: both(run, clip_with_grad) for k, run in runs.items()}, max(3, rounds // 3), summary
        ),
    }


def layouts(shape: tuple[int, ...], rounds: int, summary: Summary) -> dict[str, float]:
    """Milliseconds forward and backward of the layer for clips that are not plain, and under autocast."""
    clip, upstream = clip_of(shape), torch.randn(shape[0], 3, shape[2] - 1, *shape[3:])
    variants = {
        "contiguous": clip,
        "channels last": clip.contiguous(memory_format=torch.channels_last_3d),
        "(b, t, c, h, w) transposed": clip.transpose(1, 2).contiguous().transpose(1, 2),
        "every second frame": clip_of((*shape[:2], 2 * shape[2], *shape[3:]))[:, :, ::2],
        "cropped": clip_of((*shape[:3], shape[3] + 8, shape[4] + 8))[..., 4:-4, 4:-4],
    }
    layer = VideoMotionPrompt(MEAN, STD)

    def call(clip: Tensor, autocast: bool = False) -> Callable[[], object]:
        def run() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                out = layer(clip)
            torch.autograd.backward([out.prompt, out.variation], [upstream, torch.ones(())])

        return run

    runs = {name: call(variant) for name, variant in variants.items()} | {"autocast": call(clip, True)}
    return timed(runs, rounds, summary)


def from_bytes(shape: tuple[int, ...], rounds: int, summary: Summary) -> dict[str, float]:
    """Milliseconds of the layer on a clip of bytes, and of only normalising the bytes by two operations of torch.

    Those get bytes by planes, which they are faster on; the layer gets them as a decoder writes them, and by planes.
    """
    b, c, t, h, w = shape
    last = torch.randint(0, 256, (b, t, h, w, c), dtype=torch.uint8).permute(0, 4, 1, 2, 3)
    planes = last.contiguous()
    scale, offset = (torch.tensor(v).view(1, 3, 1, 1, 1) for v in scale_and_offset(MEAN, STD))
    layer, upstream, one = VideoMotionPrompt(MEAN, STD), torch.randn(b, 3, t - 1, h, w), torch.ones(())

    def forward(make: Callable[[], Tensor]) -> Callable[[], object]:
        def call() -> object:
            with torch.no_grad():
                return layer(make())

        return call

    def both(make: Callable[[], Tensor]) -> Callable[[], object]:
        def call() -> None:
            out = layer(make())
            torch.autograd.backward([out.prompt, out.variation], [upstream, one])

        return call

    def two_operations() -> Tensor:
        return (planes * scale).add_(offset)

    return timed(
        {
            "normalising alone, two operations": two_operations,
            "normalising alone, kernel": lambda: normalize(last, MEAN, STD),
            "forward": forward(lambda: last),
            "forward, by planes": forward(lambda: planes),
            "forward + backward": both(lambda: last),
            "forward + backward, by planes": both(lambda: planes),
            "two operations, then forward + backward": both(two_operations),
        },
        rounds,
        summary,
    )


_PEAK = """
import sys, torch
from pathlib import Path
sys.path.insert(0, {folder!r})
from layer import clip_of, forward_of
torch.set_num_threads({threads})
def status(key):
    line = next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith(key))
    return int(line.split()[1]) * 1024
shape = {shape}
run = forward_of({kernel!r})
small = clip_of((1, 3, 3, 64, 64))
torch.autograd.backward([run(small)[0]], [torch.ones(1, 3, 2, 64, 64)])
clip, upstream = clip_of(shape), torch.randn(shape[0], 3, shape[2] - 1, *shape[3:])
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
out = run(clip)
torch.autograd.backward([out[0], out[2]], [upstream, torch.ones(())])
print(status("VmHWM") - before)
"""

_FIRST = """
import time, torch
from vmp.layer.published import VideoMotionPrompt
layer, clip = VideoMotionPrompt((0.45,) * 3, (0.225,) * 3), torch.rand(2, 3, 4, 64, 64)
torch.autograd.backward([2 * torch.ones(2, requires_grad=True)], [torch.ones(2)])  # torch then imports sympy, 0.3 s
start = time.perf_counter()
out = layer(clip)
torch.autograd.backward([out.prompt, out.variation], [torch.ones_like(out.prompt), torch.ones(())])
print(time.perf_counter() - start)
"""


_STREAM = """
import sys, time, torch
from pathlib import Path
from vmp.layer.published import VideoMotionPrompt
from vmp.layer.streaming import stream, video_frames
torch.set_num_threads(1)
layer = VideoMotionPrompt((0.45,) * 3, (0.225,) * 3)
for _ in zip(range(40), stream(video_frames({path!r}), layer)): pass
times = []
for _ in range(3):
    start = time.perf_counter()
    decoded = sum(1 for _ in video_frames({path!r}))
    middle = time.perf_counter()
    prompts = sum(1 for _ in stream(video_frames({path!r}), layer))
    times.append((middle - start, time.perf_counter() - middle))
assert prompts == decoded - 1
line = next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmHWM"))
times.sort(key=lambda pair: pair[1] / pair[0])
print(decoded, *times[1], int(line.split()[1]) / 1024)
"""


def make_video(path: Path, minutes: int) -> None:
    """A 320 x 240 video at 30 frames a second: a textured square over a swaying textured ground, with sensor noise."""
    import av
    import numpy as np

    rng = np.random.default_rng(0)
    scene = np.kron(rng.integers(40, 216, (80, 110, 3)), np.ones((4, 4, 1))).astype(np.int16)
    noise = rng.normal(0, 3, (8, 240, 320, 1)).astype(np.int16)
    with av.open(str(path), "w") as container:
        encoder = container.add_stream("libx264", rate=30)
        encoder.width, encoder.height, encoder.pix_fmt = 320, 240, "yuv420p"
        encoder.options = {"preset": "ultrafast", "crf": "23"}
        for i in range(minutes * 60 * 30):
            dy, dx = int(20 + 15 * np.sin(i / 60)), int(30 + 25 * np.cos(i / 47))
            frame = scene[dy : dy + 240, dx : dx + 320] + noise[rng.integers(8)]
            y, x = int(80 + 70 * np.sin(i / 23)), int(120 + 110 * np.cos(i / 31))
            frame[y : y + 60, x : x + 60] = scene[180:240, 200:260]
            picture = av.VideoFrame.from_ndarray(frame.clip(0, 255).astype(np.uint8), format="rgb24")
            container.mux(encoder.encode(picture))
        container.mux(encoder.encode(None))


def streamed() -> None:
    """Print time over decoding and peak memory of a streamed video of 1 and of 10 minutes."""
    with tempfile.TemporaryDirectory() as folder:
        for minutes in (1, 10):
            path = Path(folder) / f"{minutes}.mp4"
            make_video(path, minutes)
            done = subprocess.run(
                [sys.executable, "-c", _STREAM.format(path=str(path))], check=True, capture_output=True, text=True
            )
            frames, decoding, streaming, peak = map(float, done.stdout.split())
            print(
                f"streamed {minutes:2} min, 320 x 240, {frames:.0f} frames: decoding {decoding:.1f} s, with prompts "
                f"{streaming:.1f} s ({streaming / decoding:.2f}x), peak memory of the process {peak:.0f} MB"
            )


def in_new_process(code: str) -> float:
    """The last number that `code` prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def peak_memory(shape: tuple[int, ...], kernel: str, threads: int) -> float | None:
    """Peak resident memory above what was there, over (prompt + attention); None where /proc cannot tell."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    code = _PEAK.format(folder=str(Path(__file__).parent), threads=threads, shape=shape, kernel=kernel)
    results = 4 * shape[0] * (shape[2] - 1) * shape[3] * shape[4] * 4
    return in_new_process(code) / results


def first_call() -> float:
    """Seconds of the layer's first forward and backward pass in a new process, imports not counted."""
    return in_new_process(_FIRST)


def main() -> None:
    """Print times, peak memory and the first call of the layer beside the published steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--fastest", action="store_true", help="compare fastest rounds, for a machine that others use")
    parser.add_argument(
        "--compiled", action="store_true", help="also the plain steps through torch.compile (slow start)"
    )
    parser.add_argument("--stream", action="store_true", help="only the streamed videos (encodes 11 minutes first)")
    arguments = parser.parse_args()
    if arguments.stream:
        streamed()
        return
    summary: Summary = min if arguments.fastest else median
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(
        f"torch {torch.__version__}, {arguments.threads} threads, load {load:.1f}, "
        f"kernel {choose_kernel(clip_of(SMALL))}"
    )
    kernels = ["auto", "blocked", *(["compiled"] if arguments.compiled else [])]
    for shape in (LARGE, SMALL):
        print(f"\n{shape}, float32: milliseconds (times the published steps)")
        for measure, times in speed(shape, kernels, arguments.rounds, summary).items():
            base = times["published"]
            print(f"  {measure:22}", ", ".join(f"{k} {v:.2f} ({base / v:.1f}x)" for k, v in times.items()))
            if "copy_" in times:
                print(f"  {'':22} auto / copy_ = {times['auto'] / times['copy_']:.2f}")
        times = from_bytes(shape, arguments.rounds, summary)
        base = times["normalising alone, two operations"]
        print("  from bytes (times normalising them alone, by two operations of torch)")
        for name, milliseconds in times.items():
            print(f"    {name:40} {milliseconds:7.2f} ({base / milliseconds:.1f}x)")
        for kernel in ("published", "auto", "blocked"):
            peak = peak_memory(shape, kernel, arguments.threads)
            print(
                f"  extra peak memory      {kernel}: "
                + ("unknown" if peak is None else f"{peak:.2f} x (prompt + attention)")
            )
    print(f"\n{SMALL}, forward + backward by layout: milliseconds")
    print("  " + ", ".join(f"{k} {v:.2f}" for k, v in layouts(SMALL, arguments.rounds, summary).items()))
    print(f"\nfirst forward + backward of a new process: {1e3 * first_call():.1f} ms")


if __name__ == "__main__":
    main()
