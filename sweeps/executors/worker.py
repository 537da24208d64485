"""A worker process: reads tasks as JSON lines, runs them, answers in JSON lines. Started by `sweeps.executors.local`.

It imports torch once and holds the data in memory between cells. After each epoch it reports the figures and waits to
hear whether to go on. It ends as soon as its input closes, in the middle of a cell if need be: no worker outlives the
sweep that started it. Whatever libraries print goes to the log, because answers have a channel of their own.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from vmp.core.collector import collector_paused
from vmp.core.outcome import Figures, Predictions


def main() -> None:
    """Arguments: file descriptors to read from and to answer on, the `Runtime` as JSON, folders for checkpoints and for
    models (none are kept without)."""
    inbox_fd, outbox_fd, checkpoints = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[4])
    models = Path(sys.argv[5]) if len(sys.argv) > 5 else None
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the sweep decides what to do
    inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(inbox_fd, inbox), daemon=True).start()

    with collector_paused():
        from sweeps.executors.cell import run_cell
        from sweeps.plan import Task
        from vmp.experiment import Runtime
    gc.freeze()  # what is imported stays: later collections need not look through it

    runtime = Runtime(**json.loads(sys.argv[3]))
    with os.fdopen(outbox_fd, "w", encoding="utf-8") as outbox:

        def send(message: dict[str, Any]) -> None:
            try:
                outbox.write(json.dumps(message, allow_nan=False) + "\n")
                outbox.flush()
            except BrokenPipeError:
                os._exit(1)

        def on_epoch(epoch: int, figures: Figures) -> str | None:
            send({"epoch": epoch, "figures": figures})
            reason: str | None = inbox.get()["stop"]
            return reason

        def on_predicted(predictions: Predictions) -> None:
            send({"predictions": predictions.model_dump(mode="json")})

        while True:
            task = Task(**inbox.get()["task"])
            send({"began": task.hash})
            record = run_cell(
                task,
                runtime=runtime,
                engine="local",
                checkpoints=checkpoints,
                models=models,
                on_epoch=on_epoch,
                on_predicted=on_predicted,
            )
            send({"record": record.model_dump(mode="json")})


def _read(inbox_fd: int, inbox: queue.SimpleQueue[dict[str, Any]]) -> None:
    with os.fdopen(inbox_fd, encoding="utf-8") as lines:
        for line in lines:
            inbox.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    main()
