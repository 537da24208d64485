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
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sweeps.executors.base import OnEvent, Progress, Resources, failed_record
from sweeps.plan import Task
from sweeps.record import CellRecord
from vmp.core.errors import InputError

_ATTEMPTS = 2  # one more for a cell whose worker died: a passing shortage is survived, a deadly cell does not loop


@dataclass
class _Worker:
    number: int
    process: subprocess.Popen[bytes]
    inbox: Any
    task: Task | None = None
    ready: bool = False

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

    def run(self, tasks: Sequence[Task], on_event: OnEvent) -> None:
        """Run every task; see the contract."""
        waiting = collections.deque(tasks)
        attempts: collections.Counter[str] = collections.Counter()
        open_tasks = len(tasks)
        while open_tasks:
            self._hand_out(waiting)
            number, line = self._messages.get()
            worker = self._workers[number]
            if line is not None:
                message = json.loads(line)
                if "ready" in message:
                    worker.ready = True
                    continue
                if "record" not in message:
                    assert worker.task is not None
                    worker.send({"stop": on_event(Progress(hash=worker.task.hash, **message))})
                    continue
                worker.task = None
                open_tasks -= 1
                on_event(CellRecord(**message["record"]))
                continue
            task = self._reap(worker)
            if not worker.ready and worker.process.returncode > 0:  # a kill can hit any process at any time
                raise InputError(
                    f"a worker process cannot start: {_last_line(self.log(number))}; see '{self.log(number)}'"
                )
            if task is None:
                continue
            attempts[task.hash] += 1
            if attempts[task.hash] < _ATTEMPTS:
                waiting.appendleft(task)
                continue
            open_tasks -= 1
            on_event(self._lost(task, worker))

    def _hand_out(self, waiting: collections.deque[Task]) -> None:
        idle = [worker for worker in self._workers.values() if worker.task is None]
        while waiting and (idle or len(self._workers) < self._resources.workers):
            worker = idle.pop(0) if idle else self._start()
            worker.task = waiting.popleft()
            worker.send({"task": worker.task.to_plain()})

    def _start(self) -> _Worker:
        self._started += 1
        number = self._started
        task_read, task_write = os.pipe()
        answer_read, answer_write = os.pipe()
        runtime = self._resources.runtime
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
        worker = _Worker(number, process, os.fdopen(task_write, "w", encoding="utf-8"))
        self._workers[number] = worker
        threading.Thread(target=self._listen, args=(number, answer_read), daemon=True).start()
        return worker

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
        code = worker.process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        hint = " (out of memory?)" if code == -signal.SIGKILL else ""
        reason = f"the worker process {how}{hint} in each of {_ATTEMPTS} tries; see {self.log(worker.number)}"
        return failed_record(task, reason, engine="local")

    def log(self, number: int) -> Path:
        """Where a worker's own output goes."""
        return self._resources.logs / f"worker-{number}.log"


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
