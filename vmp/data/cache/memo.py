"""What is remembered of video files between runs: their content hash and their packet index."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import av

from vmp.data.cache.folder import CacheError, CacheFolder
from vmp.video import PacketIndex, build_index

_VERSION = 2  # 2: mirrored display matrices, cover pictures are no video stream


class FileMemo:
    """Content hashes of files, remembered as long as path, size and modification time stay the same.

    One line a file in ``files.jsonl``, only ever appended to: two processes cannot spoil it, and what a killed one
    leaves is a line that does not parse.
    """

    def __init__(self, cache: CacheFolder) -> None:
        self._cache = cache
        self._file = cache.path / "files.jsonl"
        self._known: dict[str, tuple[list[int], str]] | None = None

    def content_hash(self, path: Path) -> str:
        """SHA-256 of a file's bytes, hexadecimal.

        Raises:
            OSError: The file cannot be read.
        """
        status = path.stat()
        place, stamp = str(path.absolute()), [status.st_size, status.st_mtime_ns]
        if self._known is None:
            self._known = self._load()
        known = self._known.get(place)
        if known is not None and known[0] == stamp:
            return known[1]
        with path.open("rb") as stream:
            value = hashlib.file_digest(stream, "sha256").hexdigest()
        self._known[place] = (stamp, value)
        with contextlib.suppress(CacheError):  # only slower without
            self._cache.append(self._file, json.dumps([place, stamp, value]))
        return value

    def _load(self) -> dict[str, tuple[list[int], str]]:
        known: dict[str, tuple[list[int], str]] = {}
        try:
            lines = self._file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return known
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):
                place, stamp, value = json.loads(line)
                known[str(place)] = (list(stamp), str(value))
        return known


def packet_index(cache: CacheFolder, path: Path, content: str, *, exact: bool) -> PacketIndex:
    """The packet index of a file (see `vmp.video.build_index`), built once for its content hash.

    Raises:
        InputError: Not a readable video.
    """
    memo = cache.path / "index" / f"{digest(content, str(exact), *decoder_version())}.npz"
    try:
        return PacketIndex.from_bytes(memo.read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        pass
    index = build_index(path, exact=exact)
    with contextlib.suppress(CacheError):
        cache.store(memo, lambda out: out.write(index.to_bytes()))
    return index


def decoder_version() -> tuple[str, ...]:
    """What may change pixels from one installation to the next: our version of the pixel path, FFmpeg's versions."""
    return str(_VERSION), *(str(av.library_versions[name]) for name in ("libavcodec", "libswscale"))


def digest(*parts: str) -> str:
    """SHA-256 of some texts, hexadecimal."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
