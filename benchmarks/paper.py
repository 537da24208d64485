"""GPU hours of the built-in studies in their `paper` size: operations counted, not measured.

    python benchmarks/paper.py [--tflops 50]

Operations of one forward pass of each backbone are counted by torch on tensors without data; training takes three
times as many. Clips are those of an official HMDB-51 split (3,570 for training, of which 15% validate; 1,530 test
videos). `--tflops` is what a GPU is taken to sustain: 50 of an A100's 312 in bfloat16. Decoding, the layer itself and
everything that waits are not in it. No GPU was at hand to compare with.
"""

from __future__ import annotations

import argparse
import collections

import torch
from torch.utils.flop_counter import FlopCounterMode

from sweeps.study_files import builtin_studies, load_study
from vmp.backbones.registry import BackboneConfig, build_backbone
from vmp.experiment import Experiment
from vmp.transfer import LearntOn

TRAINING, TEST, VALIDATION = 3570, 1530, 0.15
CLASSES, BACKWARD = 51, 3


def operations(backbone: BackboneConfig, frames: int, size: int) -> float:
    """Floating-point operations of one forward pass of one clip."""
    module = build_backbone(backbone, num_classes=CLASSES, num_frames=frames, size=size).to("meta").eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        module(torch.empty(1, 3, frames, size, size, device="meta"))
    return float(counter.get_total_flops())


def clip_passes(experiment: Experiment) -> float:
    """Forward passes of a cell, a training step counted as three."""
    train = TRAINING * (1 - VALIDATION)
    epochs = experiment.train.epochs * (BACKWARD * train + TRAINING * VALIDATION)
    trainings = 2 if isinstance(experiment.transfer, LearntOn) else 1
    return trainings * epochs + TEST * experiment.test.views * experiment.test.crops


def main() -> None:
    """Print operations of each backbone, and the cells and GPU hours of each study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tflops", type=float, default=50.0, help="what a GPU sustains, in 10^12 operations a second")
    tflops = parser.parse_args().tflops
    counted: dict[tuple[str, int, int], float] = {}
    for name in builtin_studies():
        study = load_study(name, size="paper")
        hours: collections.Counter[str] = collections.Counter()
        cells = 0
        for _, experiment in study.arms():
            key = (experiment.backbone.kind, experiment.sampling.num_frames, experiment.data.size)
            if key not in counted:
                counted[key] = operations(experiment.backbone, *key[1:])
                print(f"{key[0]}: {counted[key] / 1e9:.0f} GFLOP a clip of {key[1]} frames, {key[2]} pixels")
            seconds = clip_passes(experiment) * counted[key] / (tflops * 1e12)
            hours[key[0]] += seconds / 3600 * len(study.seeds)
            cells += len(study.seeds)
        parts = ", ".join(f"{kind} {value:.0f}" for kind, value in hours.items())
        print(f"{name:<12} {cells:>4} cells, about {hours.total():.0f} GPU hours at {tflops:g} TFLOP/s ({parts})")


if __name__ == "__main__":
    main()
