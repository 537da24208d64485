"""How fast videos come in, each figure beside its baseline in the same run.

    python benchmarks/decoding.py                     on videos that it encodes itself (about a minute)
    python benchmarks/decoding.py --clips FOLDER      on the videos of a folder
    python benchmarks/decoding.py --only cache        one of: decode, random, cache, memory

Each line: what, our time, the baseline's time, their ratio, and the floor that the ratio has to keep. Best of several
interleaved repetitions, one thread.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import psutil

from vmp.data.cache.folder import FOLDER_VARIABLE, LIMIT_VARIABLE
from vmp.data.sampling import Segment, sample_indices
from vmp.data.sets.video_files import FileVideos, Item, Listing
from vmp.video import Geometry, VideoReader, decode

NATIVE = Geometry()
WORKING = Geometry(size=112, fit="short")
SAMPLING = Segment(num_frames=8)


def main() -> None:
    """Run the chosen benchmarks and print their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, help="folder of videos, read recursively")
    parser.add_argument("--limit", type=int, default=60, help="use so many of them")
    parser.add_argument("--only", choices=list(BENCHMARKS), help="run one benchmark")
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ[FOLDER_VARIABLE] = str(Path(scratch) / "cache")
        clips = find_clips(arguments.clips, arguments.limit) if arguments.clips else encode_clips(Path(scratch))
        print(f"{len(clips)} clips, {sum(c.stat().st_size for c in clips) / 1e6:.1f} MB encoded")
        for name, benchmark in BENCHMARKS.items():
            if arguments.only in (None, name):
                benchmark(clips, Path(scratch), arguments.repeat)


def bench_decode(clips: list[Path], _: Path, repeat: int) -> None:
    """Decoding at native size against a bare PyAV loop, with its defaults and with our settings."""

    def bare(**options: int) -> None:
        for clip in clips:
            with av.open(str(clip)) as container:
                stream = container.streams.video[0]
                stream.thread_type = "NONE"
                [frame.reformat(format="rgb24", **options).to_ndarray() for frame in container.decode(stream)]

    ours, plain, tuned = best(repeat, lambda: decode_all(clips), bare, lambda: bare(threads=1))
    row("decode, against a bare loop", ours, plain, plain / ours, ">= 0.95")
    row("decode, bare loop with one scaling thread", ours, tuned, tuned / ours, ">= 0.95")
    half = best(repeat, lambda: decode_all(clips, WORKING))[0]
    row("decode to working size", half, tuned, tuned / half, "")


def bench_random(_: list[Path], scratch: Path, repeat: int) -> None:
    """One frame from anywhere in a ten-minute video, against decoding from the start until it comes."""
    long = encode(scratch / "long.mp4", frames=15_000, seed=7)
    started = time.perf_counter()
    reader = VideoReader(long, WORKING)
    built = time.perf_counter() - started
    wanted = np.random.default_rng(0).integers(0, reader.index.frames, 4 * repeat)

    def from_start() -> None:
        for number in wanted[:3]:
            with av.open(str(long)) as container:
                stream = container.streams.video[0]
                for count, frame in enumerate(container.decode(stream)):
                    if count == number:
                        frame.reformat(format="rgb24", threads=1).to_ndarray()
                        break

    times = []
    for number in wanted:
        started = time.perf_counter()
        reader.read([number])
        times.append(time.perf_counter() - started)
    started = time.perf_counter()
    from_start()
    baseline = (time.perf_counter() - started) / 3
    print(f"  packet index of {reader.index.frames} frames, {len(reader.index.keys)} key frames: {built * 1000:.0f} ms")
    row(
        "one frame of a 10-minute video (mean)",
        float(np.mean(times)),
        baseline,
        baseline / float(np.mean(times)),
        ">= 20",
    )
    assert reader.fallbacks == 0


def bench_cache(clips: list[Path], scratch: Path, repeat: int) -> None:
    """Epochs from the cache against epochs that decode and against numpy; filling against decoding once."""
    fills, decodes = [], []
    for i in range(repeat):
        os.environ[FOLDER_VARIABLE] = str(scratch / f"fill{i}")
        fills.append(best(1, lambda: load(clips))[0])
        decodes.append(best(1, lambda: decode_all(clips, WORKING))[0])
    row("fill the cache, against decoding once", min(fills), min(decodes), min(fills) / min(decodes), "<= 1.2")

    cached = load(clips)
    os.environ[LIMIT_VARIABLE] = "0"
    uncached = load(clips)
    del os.environ[LIMIT_VARIABLE]
    folder = scratch / "numpy"
    folder.mkdir()
    order = [picks(cached, i) for i in range(len(clips))]
    for i, video in enumerate(cached.videos):
        np.save(folder / f"{i}.npy", cached.read(i, np.arange(video.num_frames)))

    maps = [np.load(folder / f"{i}.npy", mmap_mode="r").view(np.ndarray) for i in range(len(clips))]

    def epoch(read: Callable[[int, np.ndarray], object]) -> None:
        for i, indices in enumerate(order):
            read(i, indices)

    works = (lambda: epoch(cached.read), lambda: epoch(lambda i, at: maps[i][at]), lambda: load(clips))
    fast, plain, warm = best(repeat * 5, *works)
    slow = best(2, lambda: epoch(uncached.read))[0]
    row("epoch from the cache, against decoding", fast, slow, slow / fast, ">= 20")
    row("epoch from the cache, against numpy", fast, plain, fast / plain, "<= 2")
    row("open a data set that is cached", warm, min(decodes), min(decodes) / warm, "")


def bench_memory(clips: list[Path], scratch: Path, _: int) -> None:
    """Memory (proportional set size) that a second worker adds once both have read everything."""
    if not hasattr(psutil.Process().memory_full_info(), "pss"):
        print("  memory: needs /proc (Linux)")
        return
    os.environ[FOLDER_VARIABLE] = str(scratch / "shared")
    data = load(clips)
    size = sum(int(np.prod((v.num_frames, *data.read(i, np.array([0])).shape[1:]))) for i, v in enumerate(data.videos))
    context = multiprocessing.get_context("spawn")
    totals, workers = [], []
    idle = context.Process(target=worker, args=([], *(pair := context.Pipe())[1:]))
    idle.start()
    pair[0].recv()
    base = pss(idle.pid)
    for _ in range(2):
        here, there = context.Pipe()
        process = context.Process(target=worker, args=(clips, there))
        process.start()
        here.recv()
        workers.append((process, here))
        totals.append(sum(pss(p.pid) for p, _ in workers))
    pair[0].send("done")
    for process, pipe in workers:
        pipe.send("done")
        process.join()
    idle.join()
    added = max(totals[1] - totals[0] - base, 0)
    one, two = (total / 1e6 for total in totals)
    print(f"  cache {size / 1e6:.0f} MB; workers' memory: {one:.0f} MB for one, {two:.0f} MB for two,")
    print(f"  of which {base / 1e6:.0f} MB a worker are Python and its libraries")
    print(f"{'second worker, share of the cache':44}{'':24}{added / size:8.3f}   <= 0.1")


BENCHMARKS: dict[str, Callable[[list[Path], Path, int], None]] = {
    "decode": bench_decode,
    "random": bench_random,
    "cache": bench_cache,
    "memory": bench_memory,
}


def worker(clips: list[Path], pipe) -> None:
    """A process that reads every frame of every clip and waits."""
    if clips:
        data = load(clips)
        for i, video in enumerate(data.videos):
            for start in range(0, video.num_frames, 8):
                data.read(i, np.arange(start, min(start + 8, video.num_frames)))
    pipe.send("read")
    pipe.recv()


def decode_all(clips: list[Path], geometry: Geometry = NATIVE) -> None:
    """Decode one after the other, keeping none."""
    for clip in clips:
        decode(clip, geometry)


def load(clips: list[Path]) -> FileVideos:
    """The clips as a data set of one class."""
    items = tuple(Item(id=f"{i}", path=clip, label=0, split="train") for i, clip in enumerate(clips))
    return FileVideos(Listing(name="benchmark", classes=("any",), items=items), WORKING)


def picks(data: FileVideos, i: int) -> np.ndarray:
    """Frames of a training clip."""
    video = data.videos[i]
    return sample_indices(
        SAMPLING, video.num_frames, video.fps, frames=9, train=True, seed=0, epoch=0, video_id=video.id
    )


def best(repeat: int, *works: Callable[[], object]) -> list[float]:
    """Shortest wall-clock seconds of each, in turns, so that a busy moment hits all alike."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeat):
        for work, seconds in zip(works, times, strict=True):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
    return [min(seconds) for seconds in times]


def row(name: str, ours: float, baseline: float, ratio: float, floor: str) -> None:
    """Print a line of the table; `ours` and `baseline` in seconds."""
    print(f"{name:44}{ours * 1000:10.1f} ms{baseline * 1000:10.1f} ms{ratio:8.2f}   {floor}")


def pss(pid: int | None) -> int:
    """Proportional set size: shared pages count for each process by its share."""
    return int(psutil.Process(pid).memory_full_info().pss)


def find_clips(folder: Path, limit: int) -> list[Path]:
    """The first `limit` videos below a folder. Raises SystemExit where there is none."""
    suffixes = {".mp4", ".avi", ".mkv", ".webm", ".mov", ".mpg"}
    clips = sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes)[:limit]
    if not clips:
        raise SystemExit(f"{folder}: holds no videos")
    return clips


def encode_clips(scratch: Path) -> list[Path]:
    """Two-second clips like those of action data sets: 320 x 240, H.264 with B-frames."""
    return [encode(scratch / f"clip{i:02}.mp4", frames=60, seed=i) for i in range(40)]


def encode(path: Path, *, frames: int, seed: int) -> Path:
    """A texture that drifts, with some noise, so that the decoder has work to do."""
    rng = np.random.default_rng(seed)
    texture = np.kron(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "veryfast", "crf": "23", "g": "50"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for i in range(frames):
            x, y = 2 * i % 320, i % 240
            picture = texture[y : y + 240, x : x + 320].copy()
            picture[::3, ::5] += np.uint8(i % 32)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    main()
