"""Runs cells in worker processes on this machine.

Own processes over pipes of JSON lines, not `multiprocessing`: nothing is pickled, a worker that dies is seen at once as
the end of its pipe, and a worker sees the death of the sweep in the same way.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sweeps.executors.base import (
    MAX_FALSE_STARTS,
    More,
    OnEvent,
    Predicted,
    Progress,
    Resources,
    failed_record,
    no_more,
    overdue_record,
)
from sweeps.plan import Task
from sweeps.records.cell_record import CellRecord
from vmp.core.errors import InputError
from vmp.core.outcome import Predictions


@dataclass
class _Worker:
    number: int
    process: subprocess.Popen[bytes]
    inbox: Any
    device: str
    task: Task | None = None
    has_begun: bool = False  # with its task
    began: float = 0.0  # when it did
    overdue: bool = False

    def send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # it died: the end of its own pipe says so, and brings the task back
            self.inbox.write(json.dumps(message) + "\n")
            self.inbox.flush()


class LocalExecutor:
    """`resources.workers` processes; see `sweeps.executors.base.Executor` for the contract."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._workers: dict[int, _Worker] = {}
        self._messages: queue.SimpleQueue[tuple[int, str | None]] = queue.SimpleQueue()  # None at a worker's end
        self._started = 0
        self._waiting: collections.deque[Task] = collections.deque()
        self._attempts: collections.Counter[str] = collections.Counter()  # of cells whose worker died under them
        self._false_starts = 0  # workers in turn that died before they could begin

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers.values():
            with contextlib.suppress(BrokenPipeError):
                worker.inbox.close()  # a worker ends with its input
        for worker in self._workers.values():
            try:
                worker.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
        self._workers.clear()

    def run(self, tasks: Sequence[Task], on_event: OnEvent, more: More = no_more) -> None:
        """Run every task; see the contract."""
        self._waiting, self._attempts, self._false_starts = collections.deque(tasks), collections.Counter(), 0
        open_tasks = len(tasks)
        self._hand_out()
        while open_tasks:
            record = self._hear(on_event)
            if record is not None:
                on_event(record)
                open_tasks -= 1
                self._hand_out()  # first to the worker that is idle now: `more` may take its time
                new = more()
                self._waiting.extend(new)
                open_tasks += len(new)
            self._hand_out()

    def _hear(self, on_event: OnEvent) -> CellRecord | None:
        """Wait until a worker says something, dies or is overdue; the record of a cell that has ended by it."""
        try:
            number, line = self._messages.get(timeout=self._until_timeout())
        except queue.Empty:
            self._kill_overdue()
            return None
        worker = self._workers[number]
        if line is None:
            return self._after_end(worker)
        message = json.loads(line)
        if "began" in message:
            self._false_starts = 0
            worker.has_begun, worker.began = True, time.monotonic()
            return None
        if "record" in message:
            worker.task = None
            record = CellRecord(**message["record"])
            return record.with_provenance(tries=self._attempts[record.hash] + 1)
        assert worker.task is not None
        if "predictions" in message:
            on_event(Predicted(hash=worker.task.hash, predictions=Predictions(**message["predictions"])))
        else:
            worker.send({"stop": on_event(Progress(hash=worker.task.hash, **message))})
        return None

    def _after_end(self, worker: _Worker) -> CellRecord | None:
        """Queue the task of a worker that has died again; its record where it took too long or its tries are used up.

        Raises:
            InputError: No worker can start.
        """
        task = self._reap(worker)
        if task is None:
            return None
        if not worker.has_begun:
            self._false_starts += 1
            if worker.process.returncode > 0 or self._false_starts == MAX_FALSE_STARTS:
                raise InputError(self._cannot_start(worker))
        # A kill can hit any process at any time: one that had not begun is no fault of the cell.
        self._attempts[task.hash] += worker.has_begun
        if worker.overdue:
            limit = self._resources.cell_timeout or 0.0
            return overdue_record(task, limit, engine="local", tries=self._attempts[task.hash])
        if self._attempts[task.hash] < self._resources.tries:
            self._waiting.appendleft(task)
            return None
        return self._lost(task, worker)

    def _hand_out(self) -> None:
        """Give each idle worker a task that waits, and start workers for others as far as there may be some."""
        idle = [worker for worker in self._workers.values() if worker.task is None]
        while self._waiting and (idle or len(self._workers) < self._resources.workers):
            worker = idle.pop(0) if idle else self._start()
            worker.task, worker.has_begun = self._waiting.popleft(), False
            worker.send({"task": worker.task.to_plain()})

    def _until_timeout(self) -> float | None:
        """Seconds until the first cell is overdue; None without a limit."""
        limit, running = self._resources.cell_timeout, self._running()
        if limit is None or not running:
            return None
        return max(0.0, min(worker.began for worker in running) + limit - time.monotonic())

    def _kill_overdue(self) -> None:
        """Kill the workers whose cell takes too long; the end of their pipes brings the cells back."""
        limit = self._resources.cell_timeout or 0.0
        for worker in self._running():
            if time.monotonic() - worker.began >= limit:
                worker.overdue = True
                worker.process.kill()

    def _running(self) -> list[_Worker]:
        return [worker for worker in self._workers.values() if worker.task and worker.has_begun and not worker.overdue]

    def _start(self) -> _Worker:
        self._started += 1
        number = self._started
        task_read, task_write = os.pipe()
        answer_read, answer_write = os.pipe()
        runtime = replace(self._resources.runtime, device=self._next_device())
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(runtime.threads))
        self._resources.logs.mkdir(parents=True, exist_ok=True)
        with self.log(number).open("ab") as log:
            process = subprocess.Popen(
                # -P: modules of ours are not looked for in the user's folder, which may hold a `sweeps/` or a `vmp.py`.
                # Modules of the user's are still found there, after all others: see `vmp.core.choices.find_object`.
                [
                    *(sys.executable, "-P", "-m", "sweeps.executors.worker", str(task_read), str(answer_write)),
                    *(json.dumps(asdict(runtime)), str(self._resources.checkpoints)),
                    *([str(self._resources.models)] if self._resources.models is not None else []),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(task_read, answer_write),
                env={**os.environ, **threads},
            )
        os.close(task_read)
        os.close(answer_write)
        worker = _Worker(number, process, os.fdopen(task_write, "w", encoding="utf-8"), runtime.device)
        self._workers[number] = worker
        threading.Thread(target=self._listen, args=(number, answer_read), daemon=True).start()
        return worker

    def _next_device(self) -> str:
        """The device that fewest workers have now, the first of equals: a dead worker's goes to the next one."""
        devices = self._resources.devices or (self._resources.runtime.device,)
        in_use = collections.Counter(worker.device for worker in self._workers.values())
        return min(devices, key=lambda device: in_use[device])

    def _listen(self, number: int, answers: int) -> None:
        with os.fdopen(answers, encoding="utf-8") as lines:
            for line in lines:
                self._messages.put((number, line))
        self._messages.put((number, None))

    def _reap(self, worker: _Worker) -> Task | None:
        """Forget a worker whose pipe ended, and return the task that it was running."""
        worker.process.wait()
        with contextlib.suppress(BrokenPipeError):
            worker.inbox.close()
        del self._workers[worker.number]
        return worker.task

    def _lost(self, task: Task, worker: _Worker) -> CellRecord:
        tries = self._resources.tries
        times = "in its only try" if tries == 1 else f"in each of {tries} tries"
        reason = f"the worker process {_end(worker)} {times}; see {self.log(worker.number)}"
        return failed_record(task, reason, engine="local", tries=tries)

    def _cannot_start(self, worker: _Worker) -> str:
        log = self.log(worker.number)
        if worker.process.returncode > 0:
            return f"a worker process cannot start: {_last_line(log)}; see '{log}'"
        return f"{MAX_FALSE_STARTS} worker processes in turn could not start, the last one {_end(worker)}; see '{log}'"

    def log(self, number: int) -> Path:
        """Where a worker's own output goes."""
        return self._resources.logs / f"worker-{number}.log"


def _end(worker: _Worker) -> str:
    code = worker.process.returncode
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return how + (" (out of memory?)" if code == -signal.SIGKILL else "")


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
