"""Finished cells of other studies, or of other code, that are taken over instead of computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from sweeps.plan import Task
from sweeps.predictions import copy_predictions
from sweeps.records.study_folder import StudyFolder


class TakeOver:
    """Takes finished cells over into one study.

    Args:
        own: The study's folder.
        others: Folders of other studies with equal cells.
        note: Receives sentences.
    """

    def __init__(self, own: StudyFolder, others: Sequence[StudyFolder], note: Callable[[str], None]) -> None:
        self._own, self._others, self._note = own, others, note
        self._accepted: dict[str, tuple[StudyFolder, str]] = {}  # by science, cells that other code computed
        self._taken: Counter[str] = Counter()

    def accept_code(self) -> None:
        """Let finished cells of other code stand for the cells of this study that they only differ from by code."""
        started: dict[str, str] = {}
        for folder in (self._own, *self._others):
            for path in sorted(folder.cells_path.glob("*.json")):
                record = folder.find_cell(path.stem, self._note)
                if record is None or record.science is None or record.status == "failed":
                    continue
                if (when := record.provenance.started or "") >= started.get(record.science, ""):  # the latest counts
                    started[record.science], self._accepted[record.science] = when, (folder, record.hash)

    def missing(self, tasks: Sequence[Task]) -> list[Task]:
        """Those of `tasks` that no other study has; says how many were taken over, and from where."""
        remaining = [task for task in tasks if not self._take(task)]
        for source, cells in self._taken.items():
            self._note(f"{cells} finished cells are taken over from {source}")
        self._taken.clear()
        return remaining

    def _take(self, task: Task) -> bool:
        """Whether another study has this very cell, or one that is accepted for it; the record then says so."""
        sources = [(other, task.hash) for other in self._others]
        if task.science in self._accepted:
            sources.append(self._accepted[task.science])
        for folder, cell in sources:
            record = folder.find_cell(cell, self._note)
            if record is not None and record.status in ("complete", "diverged"):  # what a rule stopped is not computed
                changes: dict[str, str | None] = {}
                source = f"'{record.provenance.reused_from or folder.path}'"
                if folder is not self._own:
                    changes["reused_from"] = record.provenance.reused_from or str(folder.path)
                if cell != task.hash:
                    source += ", computed by other code (--accept-code)"
                    changes["accepted_from"] = record.provenance.accepted_from or cell
                # The other study may vary other settings: the cell is the same, its name in the study is not.
                copy_predictions(folder.path, cell, self._own.path, task.hash)
                update = {"hash": task.hash, "factors": task.factors}
                self._own.write_cell(record.with_provenance(**changes).model_copy(update=update))
                self._taken[source] += 1
                return True
        return False
