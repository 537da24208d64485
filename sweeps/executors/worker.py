"""A worker process: reads tasks as JSON lines, runs them, answers in JSON lines. Started by `sweeps.executors.local`.

It imports torch once and keeps the data in memory between cells. It ends as soon as its input closes, in the middle of
a cell if need be: when the sweep that started it is killed, nothing is left running. Whatever libraries print goes to
the log, because answers have a channel of their own.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any


def main() -> None:
    """Arguments: file descriptors to read tasks from and to answer on, device, folder for checkpoints."""
    inbox_fd, outbox_fd, device, checkpoints = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the sweep decides what to do
    tasks: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(inbox_fd, tasks), daemon=True).start()

    from sweeps.executors.cell import run_cell
    from sweeps.plan import Task
    from vmp.experiment import Runtime

    with os.fdopen(outbox_fd, "w", encoding="utf-8") as outbox:

        def answer(message: dict[str, Any]) -> None:
            try:
                outbox.write(json.dumps(message, allow_nan=False) + "\n")
                outbox.flush()
            except BrokenPipeError:
                os._exit(1)

        answer({"ready": True})
        while True:
            task = Task(**tasks.get())
            record = run_cell(
                task,
                runtime=Runtime(device=device),
                engine="local",
                checkpoints=checkpoints,
                on_epoch=lambda epochs, name=task.hash: answer({"hash": name, "epochs": epochs}),  # type: ignore[misc]
            )
            answer({"record": record.model_dump(mode="json")})


def _read(inbox_fd: int, tasks: queue.SimpleQueue[dict[str, Any]]) -> None:
    with os.fdopen(inbox_fd, encoding="utf-8") as inbox:
        for line in inbox:
            tasks.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    main()
