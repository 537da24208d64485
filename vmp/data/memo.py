"""What is remembered of video files between runs: their content hash and their packet index."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import av

from vmp.data.cachedir import CacheError, CacheFolder
from vmp.video import PacketIndex, build_index

_VERSION = 1


def content_hash(cache: CacheFolder, path: Path) -> str:
    """SHA-256 of a file's bytes. Remembered as long as path, size and modification time stay the same."""
    status = path.stat()
    place = str(path.absolute())
    stamp = [place, status.st_size, status.st_mtime_ns]
    memo = cache.path / "files" / f"{digest(place)}.json"
    try:
        known = json.loads(memo.read_text(encoding="utf-8"))
        if known["stamp"] == stamp:
            return str(known["sha256"])
    except (OSError, ValueError, TypeError, KeyError):
        pass
    with path.open("rb") as stream:
        value = hashlib.file_digest(stream, "sha256").hexdigest()
    with contextlib.suppress(CacheError):  # only slower without
        cache.store(memo, lambda out: out.write(json.dumps({"stamp": stamp, "sha256": value}).encode()))
    return value


def packet_index(cache: CacheFolder, path: Path, *, exact: bool) -> PacketIndex:
    """The packet index of a file (see `vmp.video.build_index`), built once for its content.

    Raises:
        InputError: Not a readable video.
    """
    memo = cache.path / "index" / f"{digest(content_hash(cache, path), str(exact), *decoder_version())}.npz"
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
