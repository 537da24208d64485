"""Accuracy over a split, accumulated batch by batch."""

from __future__ import annotations

import torch
from torch import Tensor

from vmp.core.outcome import Hits


class Accuracy:
    """Top-1 and mean-class accuracy.

    ``top1`` is the share of clips whose highest logit is the label. ``mean_class`` is the mean over classes of the
    share within each class (recall), over the classes that occur: FineGym's "mean" metric, indifferent to imbalance.

    Args:
        num_classes: Number of classes; labels are in ``[0, num_classes)``.
    """

    def __init__(self, num_classes: int) -> None:
        self.hits = torch.zeros(num_classes, dtype=torch.int64)
        self.counts = torch.zeros(num_classes, dtype=torch.int64)

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Add a batch: logits ``(b, num_classes)``, labels ``(b,)``."""
        right = (logits.argmax(1) == labels).cpu()
        labels = labels.cpu()
        self.counts += torch.bincount(labels, minlength=len(self.counts))
        self.hits += torch.bincount(labels[right], minlength=len(self.hits))

    @property
    def by_class(self) -> list[Hits]:
        """Hits of each class, by class index."""
        return [Hits(correct=c, total=n) for c, n in zip(self.hits.tolist(), self.counts.tolist(), strict=True)]

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    @property
    def top1(self) -> float:
        return int(self.hits.sum()) / self.total

    @property
    def mean_class(self) -> float:
        seen = self.counts > 0
        return float((self.hits[seen].double() / self.counts[seen]).mean())
