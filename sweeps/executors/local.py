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

from sweeps.executors.base import More, OnEvent, Predicted, Progress, Resources, failed_record, no_more, overdue_record
from sweeps.plan import Task
from sweeps.records.cell_record import CellRecord
from vmp.core.errors import InputError
from vmp.core.outcome import Predictions

_STARTS = 10  # workers killed in turn before one could begin: then something is wrong that trying again does not mend


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
        self._messages: queue.SimpleQueue[tuple[int, str | None]] = queue.SimpleQueue()
        self._started = 0

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
        waiting = collections.deque(tasks)
        attempts: collections.Counter[str] = collections.Counter()
        open_tasks, starts, has_ended = len(tasks), 0, False
        while True:
            self._hand_out(waiting)
            if has_ended:  # after the worker that is idle now has its next task
                has_ended = False
                new = more()
                waiting.extend(new)
                open_tasks += len(new)
                self._hand_out(waiting)
            if not open_tasks:
                return
            try:
                number, line = self._messages.get(timeout=self._until_timeout())
            except queue.Empty:
                self._kill_overdue()
                continue
            worker = self._workers[number]
            if line is not None:
                message = json.loads(line)
                if "began" in message:
                    worker.has_begun, starts = True, 0
                    worker.began = time.monotonic()
                    continue
                if "predictions" in message:
                    assert worker.task is not None
                    predictions = Predictions(**message["predictions"])
                    on_event(Predicted(hash=worker.task.hash, predictions=predictions))
                    continue
                if "record" not in message:
                    assert worker.task is not None
                    worker.send({"stop": on_event(Progress(hash=worker.task.hash, **message))})
                    continue
                worker.task = None
                open_tasks, has_ended = open_tasks - 1, True
                record = CellRecord(**message["record"])
                tries = {"tries": attempts[record.hash] + 1}
                on_event(record.model_copy(update={"provenance": record.provenance.model_copy(update=tries)}))
                continue
            task = self._reap(worker)
            if task is None:
                continue
            if not worker.has_begun:
                starts += 1
                if worker.process.returncode > 0 or starts == _STARTS:
                    raise InputError(self._cannot_start(worker))
            # A kill can hit any process at any time: one that had not begun is no fault of the cell.
            attempts[task.hash] += worker.has_begun
            if worker.overdue:
                open_tasks, has_ended = open_tasks - 1, True
                limit = self._resources.cell_timeout or 0.0
                on_event(overdue_record(task, limit, engine="local", tries=attempts[task.hash]))
                continue
            if attempts[task.hash] < self._resources.tries:
                waiting.appendleft(task)
                continue
            open_tasks, has_ended = open_tasks - 1, True
            on_event(self._lost(task, worker))

    def _hand_out(self, waiting: collections.deque[Task]) -> None:
        idle = [worker for worker in self._workers.values() if worker.task is None]
        while waiting and (idle or len(self._workers) < self._resources.workers):
            worker = idle.pop(0) if idle else self._start()
            worker.task, worker.has_begun = waiting.popleft(), False
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
        return f"{_STARTS} worker processes in turn could not start, the last one {_end(worker)}; see '{log}'"

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
