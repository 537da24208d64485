"""Who is at work in a study's folder: one run of the whole plan, or several shards of it, on whichever machines.

A run has a file of its own in ``DIR/.owners`` that says who it is, and touches it every `BEAT_SECONDS`. A kernel lock
says more, at once and for certain, but only to those who see it: on many network file systems a lock ends at the
machine, or there is none. So a lock that is held proves that its owner lives, and one that is free proves nothing.
See docs/decisions/owner-files.md.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import os
import platform
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from pydantic import ValidationError

from sweeps.shards import Shard
from vmp.core.errors import InputError
from vmp.core.files import write_text
from vmp.core.outcome import Plain
from vmp.core.text import duration

FOLDER = ".owners"
BEAT_SECONDS = 10.0
_ALIVE_BEATS = 3  # an owner whose file changed within so many beats is alive, if clocks agree
_WATCHED_BEATS = 2.5  # another is watched for so many: that needs no clock in common
_MUTEX_SECONDS = 60.0
_WHOLE = "all"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class Owner(Plain):
    """A run at work in a folder.

    Attributes:
        id: Different for every run.
        shard: Such as ``3/10``; None for the whole plan.
        host, process: Where it runs, for people.
        machine: Equal for processes whose process ids are of the same system.
        process_started: Seconds since the epoch, by that system's clock; with `process`, it names a process.
        started: In ISO 8601, UTC.
        beat_seconds: How often the file is touched.
    """

    id: str
    shard: str | None
    host: str
    machine: str
    process: int
    process_started: float
    started: str
    beat_seconds: float

    @classmethod
    def here(cls, shard: Shard | None) -> Owner:
        """This process, now."""
        return cls(
            id=uuid.uuid4().hex,
            shard=None if shard is None else str(shard),
            host=platform.node(),
            machine=_machine(),
            process=os.getpid(),
            process_started=psutil.Process().create_time(),
            started=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            beat_seconds=BEAT_SECONDS,
        )

    @property
    def name(self) -> str:
        """Of its file."""
        return _WHOLE if self.shard is None else self.shard.replace("/", "-of-")

    def excludes(self, other: Owner) -> bool:
        """Whether the two may not be at work together: only different shards of the same count may."""
        if self.shard is None or other.shard is None:
            return True
        return self.shard == other.shard or self.shard.split("/")[1] != other.shard.split("/")[1]

    def __str__(self) -> str:
        shard = "" if self.shard is None else f" with --shard {self.shard}"
        return f"process {self.process} on {self.host}{shard}, since {self.started[:19].replace('T', ' ')} UTC"


class Ownership:
    """Holds a folder, or a shard of its plan, for one run: a context that refuses to begin where another is at work.

    Args:
        folder: The study's.
        shard: None for the whole plan.
        note: Receives a sentence where something was taken over, or takes time.

    Raises:
        InputError: Another run is at work; it says which, since when, and how to take over.
    """

    def __init__(self, folder: Path, shard: Shard | None, note: Callable[[str], None]) -> None:
        # Absolute, because `_beat` looks while a Ray starts in another folder.
        self._folder, self._note = folder.absolute() / FOLDER, note
        self.owner = Owner.here(shard)
        self._path = self._folder / f"{self.owner.name}.json"
        self._lost: str | None = None
        self._without_locks = False
        self._done = threading.Event()
        self._own = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        with contextlib.ExitStack() as undo:
            undo.callback(self._own.close)
            with self._mutex():
                for path, other in _owners(self._folder):
                    if self.owner.excludes(other):
                        self._refuse_or_remove(path, other)
                self._own.enter_context(_open(self._path.with_suffix(".lock"), self._on_no_locks))
                write_text(self._path, self.owner.model_dump_json(indent=1) + "\n")
            undo.pop_all()
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        with contextlib.suppress(OSError):
            if self._is_mine():
                self._path.unlink()
        self._own.close()

    def others(self) -> list[Owner]:
        """The shards that seem to be at work beside this one."""
        found = [(path, owner) for path, owner in _owners(self._folder) if owner.id != self.owner.id]
        return [owner for path, owner in found if _seems_alive(path, owner)]

    def check(self) -> None:
        """Raises InputError where another run has taken over, so that two never write the same records."""
        if self._lost is None and not self._is_mine():
            self._lost = self._taken_over()
        if self._lost is not None:
            raise InputError(self._lost)

    def _refuse_or_remove(self, path: Path, other: Owner) -> None:
        if self._is_alive(path, other):
            silent = duration(max(0.0, _age(path)))
            raise InputError(
                f"another `vmp sweep run` is at work in '{self._folder.parent}': {other}, last sign of life {silent} "
                "ago; wait for it to end or give another --out. A run whose machine has died is taken over by itself "
                f"after about {duration((_ALIVE_BEATS + _WATCHED_BEATS) * other.beat_seconds)}; if you know that it is "
                f"dead, delete '{path}'"
            )
        path.unlink(missing_ok=True)
        self._note(f"The run of {other}, has died; this one takes over and goes on from its records.")

    def _is_alive(self, path: Path, other: Owner) -> bool:
        """Whether a run is alive, for certain or as far as waiting shows."""
        if _is_held(path.with_suffix(".lock")):
            return True
        if other.machine == self.owner.machine:
            return _process_lives(other)
        if _seems_alive(path, other):
            return True
        seconds = _WATCHED_BEATS * other.beat_seconds
        self._note(
            f"{str(other).capitalize()}, was last heard {duration(abs(_age(path)))} ago by this machine's clock; "
            f"watching for a sign of life for {duration(seconds)}."
        )
        before, until = _touched(path), time.monotonic() + seconds
        while time.monotonic() < until:
            if _touched(path) != before:
                return path.exists()
            time.sleep(min(0.5, other.beat_seconds / 4))
        return False

    def _beat(self) -> None:
        """Give signs of life, and see whether another run has taken over or began at the very same time."""
        seconds = min(1.0, BEAT_SECONDS)  # two that began together and share no lock are soon aware of it
        while not self._done.wait(seconds):
            seconds = BEAT_SECONDS
            try:
                if not self._is_mine():
                    self._lost = self._taken_over()
                    return
                os.utime(self._path)
                for path, other in _owners(self._folder):
                    older = (other.started, other.id) < (self.owner.started, self.owner.id)
                    if other.id != self.owner.id and older and self.owner.excludes(other) and _seems_alive(path, other):
                        self._lost = f"another `vmp sweep run` is at work in '{self._folder.parent}': {other}"
                        return
            except OSError:
                continue  # the next beat may get through

    def _is_mine(self) -> bool:
        try:
            return Owner.model_validate_json(self._path.read_bytes()).id == self.owner.id
        except (FileNotFoundError, ValidationError):
            return False
        except OSError:  # a network file system that does not answer just now
            return True

    def _taken_over(self) -> str:
        other = _read(self._path)
        by = f"was taken over by {other}" if other else "was taken away from this run: its owner file was deleted"
        return f"'{self._folder.parent}' {by}; what this run had finished is in place"

    @contextlib.contextmanager
    def _mutex(self) -> Iterator[None]:
        """One run at a time looks who is there and adds itself; without locks `_beat` sees what went wrong."""
        path, until = self._folder.parent / ".lock", time.monotonic() + _MUTEX_SECONDS
        while True:
            try:
                held = _open(path, self._on_no_locks)
            except BlockingIOError:
                if time.monotonic() < until:
                    time.sleep(0.05)
                    continue
                raise InputError(
                    f"another `vmp sweep run` is at work in '{path.parent}', or waits to be: it holds '{path}'; "
                    "wait for it to end or give another --out"
                ) from None
            with held:
                yield
            return

    def _on_no_locks(self, error: OSError) -> None:
        del error
        if not self._without_locks:
            self._without_locks = True
            self._note(
                f"The file system of '{self._folder.parent}' has no locks: runs in it know of each other by the files "
                f"in '{self._folder}' alone."
            )


def seems_at_work(folder: Path) -> bool:
    """Whether some run seems to be at work in a study's folder. Reads only."""
    return any(_seems_alive(path, owner) for path, owner in _owners(folder / FOLDER))


def _owners(folder: Path) -> list[tuple[Path, Owner]]:
    found = [(path, _read(path)) for path in sorted(folder.glob("*.json"))]
    return [(path, owner) for path, owner in found if owner is not None]


def _read(path: Path) -> Owner | None:
    """None where nobody is, or where a file is torn: then nobody can say who it was."""
    try:
        return Owner.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _seems_alive(path: Path, owner: Owner) -> bool:
    """What can be said at once: of a process here for certain, of one elsewhere if the clocks agree."""
    if owner.machine == _machine():
        return _process_lives(owner)
    return abs(_age(path)) < _ALIVE_BEATS * owner.beat_seconds


def _process_lives(owner: Owner) -> bool:
    try:
        process = psutil.Process(owner.process)
        return abs(process.create_time() - owner.process_started) < 2 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _age(path: Path) -> float:
    """Seconds since a file was touched, by the file system's own clock where it shows it, else by this machine's."""
    now = time.time()
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=path.parent) as fresh:
        now = os.fstat(fresh.fileno()).st_mtime
    return now - _touched(path) / 1e9


def _touched(path: Path) -> int:
    """When a file was last touched, in ns by the file system's clock; 0 where it is gone."""
    try:
        with path.open("rb") as file:  # opening it makes a network file system look again
            return os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return 0


def _machine() -> str:
    """Names the system whose process ids this process sees: containers on one machine differ."""
    parts = [platform.node()]
    for read in (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        lambda: str(Path("/proc/self/ns/pid").readlink()),
    ):
        with contextlib.suppress(OSError):
            parts.append(read())
    return " ".join(parts)


def _open(path: Path, on_no_locks: Callable[[OSError], None]) -> contextlib.AbstractContextManager[object]:
    """An open file with a kernel lock on it, freed with the process however it dies. Raises BlockingIOError if held."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            file.close()
            raise
        on_no_locks(error)
    return file


def _is_held(path: Path) -> bool:
    """Whether somebody holds a lock that this process can see."""
    try:
        with _open(path, lambda _: None):
            return False
    except BlockingIOError:
        return True
