"""Where the seconds of one cell go, and paired runs against another checkout.

    python benchmarks/cell.py                          a cell of the embedded study
    python benchmarks/cell.py --videos FOLDER          a cell on real videos: FOLDER/manifest.csv, or a folder per class
    python benchmarks/cell.py --against CHECKOUT       seconds and metrics of both, in turns

Each run is a new process on one thread, as a worker is, and trains another cell first, which does not count: a worker
imports, and reads its data or fills the cache, once. A pair is one run of each checkout, one straight after the other.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any


def settings(videos: Path | None, prompt: str, backbone: str, epochs: int, choice: str) -> dict[str, Any]:
    """A cell as a plain dict; `choice` is the key that names a choice, "kind", or "name" in checkouts before 0.2."""
    plain: dict[str, Any] = {"backbone": {choice: backbone}, "train": {"epochs": epochs, "batch_size": 16}}
    plain["layer"] = {"kind" if choice == "kind" else "prompt": prompt}
    if videos is None:
        return plain | {"data": {"kind": "motion", "train": 300, "val": 300, "test": 600}}
    manifest = videos / "manifest.csv"
    data: dict[str, Any] = {"kind": "folder", "path": str(videos)}
    if manifest.exists():
        groups = "source_video" if "source_video" in manifest.read_text(encoding="utf-8").split("\n")[0] else "group"
        data = {"kind": "manifest", "path": str(manifest), "group_column": groups}
    return plain | {"data": data | {"size": 112}, "sampling": {"num_frames": 8}}


class Stopwatch:
    """Seconds by section of a training; sections do not contain each other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def add(self, section: str, start: float) -> None:
        self.seconds[section] = self.seconds.get(section, 0.0) + time.perf_counter() - start

    def timing(self, section: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.add(section, start)

        return timed

    def install(self) -> None:
        """Wrap what the training loop calls."""
        import torch

        from vmp import experiment
        from vmp.data.loading import ClipLoader
        from vmp.layer.diagnostics import AttentionStatistics
        from vmp.training import loop

        epoch, build = ClipLoader.epoch, experiment.build_trainer

        def timed_epoch(loader: ClipLoader, number: int) -> Iterator[Any]:
            batches = epoch(loader, number)
            draw = self.timing("loader", lambda: next(batches, None))
            while (batch := draw()) is not None:
                yield batch

        def timed_build(*arguments: Any, **named: Any) -> Any:
            trainer = build(*arguments, **named)
            model = trainer.model
            for part, name in ((model.layer, "layer"), (model.backbone, "backbone")):
                forward = part.forward
                both = {mode: self.timing(f"{name}, {mode}", forward) for mode in ("training", "evaluation")}
                part.forward = lambda *a, both=both, **k: both["training" if torch.is_grad_enabled() else "evaluation"](
                    *a, **k
                )
            return trainer

        ClipLoader.epoch, experiment.build_trainer = timed_epoch, timed_build  # type: ignore[method-assign]
        loop.normalize = self.timing("normalisation", loop.normalize)
        torch.Tensor.backward = self.timing("backward", torch.Tensor.backward)  # type: ignore[method-assign]
        torch.optim.AdamW.step = self.timing("optimizer", torch.optim.AdamW.step)  # type: ignore[method-assign]
        AttentionStatistics.update = self.timing("statistics", AttentionStatistics.update)  # type: ignore[method-assign]


def run_one(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train the cell in this process: wall and processor seconds, a digest of all its figures, and its sections."""
    from vmp.experiment import Experiment, Runtime, run_experiment

    def experiment_of(epochs: int) -> Experiment:
        chosen = (arguments.videos, arguments.prompt, arguments.backbone, epochs)
        try:
            return Experiment(**settings(*chosen, "kind"))
        except ValueError:
            return Experiment(**settings(*chosen, "name"))

    run_experiment(experiment_of(1), 1, runtime=Runtime(threads=1))  # a warm process, its data read
    experiment = experiment_of(arguments.epochs)
    watch = Stopwatch()
    if arguments.profile:
        watch.install()
    wall, processor = time.perf_counter(), time.process_time()
    outcome = run_experiment(experiment, 0, runtime=Runtime(threads=1))
    seconds, processor = time.perf_counter() - wall, time.process_time() - processor
    digest = hashlib.sha256(json.dumps([outcome.metrics, outcome.curves], sort_keys=True).encode()).hexdigest()[:12]
    return {
        "seconds": seconds, "processor": processor, "sections": watch.seconds, "digest": digest,
        "top1": outcome.metrics["test_top1"],
    }  # fmt: skip


def in_checkout(checkout: Path, arguments: argparse.Namespace, profile: bool) -> dict[str, Any]:
    """What `run_one` gives in a process of its own, with the code of `checkout`."""
    command = [sys.executable, "-W", "ignore", __file__, "--one", "--prompt", arguments.prompt]
    command += ["--backbone", arguments.backbone, "--epochs", str(arguments.epochs)]
    command += ["--videos", str(arguments.videos)] if arguments.videos else []
    command += ["--profile"] if profile else []
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=checkout)
    if done.returncode:
        raise SystemExit(f"{checkout}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print where the time of a cell goes, and how that compares with another checkout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=lambda path: Path(path).resolve(), help="folder of real videos")
    parser.add_argument("--prompt", default="vmp", help="vmp, control or none")
    parser.add_argument("--backbone", default="cnn3d_tiny")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--against", type=lambda path: Path(path).resolve(), help="checkout to compare with")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--profile", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_one(arguments)))
        return
    here = Path(__file__).resolve().parent.parent
    print(f"{arguments.backbone}, {arguments.prompt}, {arguments.epochs} epochs, load {os.getloadavg()[0]:.1f}")
    for checkout in [here, *([arguments.against] if arguments.against else [])]:
        profiled = in_checkout(checkout, arguments, profile=True)
        total = profiled["seconds"]
        sections = profiled["sections"] | {"everything else": total - sum(profiled["sections"].values())}
        print(f"\n{checkout.name}: {total:.1f} s, test accuracy {profiled['top1']:.3f}")
        for section, seconds in sorted(sections.items(), key=lambda item: -item[1]):
            print(f"  {section:22} {seconds:6.2f} s  {100 * seconds / total:5.1f}%")
    if arguments.against:
        print("\npair: seconds here / there (ratio), processor seconds here / there (ratio), same figures")
        ratios: dict[str, list[float]] = {"seconds": [], "processor": []}
        for _ in range(arguments.pairs):
            mine, other = (in_checkout(c, arguments, profile=False) for c in (here, arguments.against))
            for name, values in ratios.items():
                values.append(mine[name] / other[name])
            print(
                f"  {mine['seconds']:.2f} / {other['seconds']:.2f} ({ratios['seconds'][-1]:.2f}), "
                f"{mine['processor']:.2f} / {other['processor']:.2f} ({ratios['processor'][-1]:.2f}), "
                f"{mine['digest'] == other['digest']}"
            )
        print("  median " + ", ".join(f"{name} {median(values):.2f}" for name, values in ratios.items()))


if __name__ == "__main__":
    main()
