"""``vmp data``: look a data set over, fill and empty the clip cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vmp.commands.parameters import UserPath

if TYPE_CHECKING:
    from vmp.data.sets.video_files import FileDataConfig

_SET = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Set a field of the data set.")
_DATASET = click.argument("dataset", type=UserPath())


@click.group()
def data() -> None:
    """Scan data sets; fill, show and empty the clip cache.

    DATASET is a folder of class folders, a manifest CSV, or a YAML file with a data set (or a study: its `data` part).
    """


@data.command()
@_DATASET
@_SET
@click.option("--quarantine", type=UserPath(), help="Write the broken videos to this CSV file.")
@click.option("--frames", type=click.IntRange(2, 4096), help="Frames of a clip, with the layer's extra one [9].")
def scan(dataset: Path, settings: tuple[str, ...], quarantine: Path | None, frames: int | None) -> None:
    """Decode everything and list what is broken, unbalanced or leaking between splits.

    Exit code 3 if some video is broken and not quarantined.
    """
    from vmp.data import scan as scanning
    from vmp.data.resolve import resolve_sampler

    cfg, sampler = _dataset(dataset, settings), resolve_sampler(dataset)
    report = scanning.scan(cfg, sampler=sampler, frames=frames or sampler.num_frames + 1)
    click.echo(scanning.describe(report))
    if quarantine is not None:
        count = scanning.write_quarantine(report, quarantine)
        click.echo(f"\nWrote {count} videos to {quarantine}; name it as `quarantine` in the data set to train without.")
    elif report.broken:
        click.echo("\nRun again with --quarantine FILE to leave the broken videos out of training.")
    if report.broken and quarantine is None:
        raise SystemExit(3)


@data.command()
@_DATASET
@_SET
def prepare(dataset: Path, settings: tuple[str, ...]) -> None:
    """Decode a data set into the cache, so that no study has to wait for it."""
    from vmp.data.cache.folder import CacheFolder

    loaded = _dataset(dataset, settings).load()
    clips, size = CacheFolder.from_environment().usage()
    click.echo(f"{loaded.name}: {len(loaded.videos)} videos ready, hash {loaded.fingerprint}")
    for note in loaded.notes:
        click.echo(f"  {note}")
    click.echo(f"The cache holds {clips} clips, {size / 1e9:.2f} GB.")


@data.command()
@click.option("--clear", is_flag=True, help="Delete everything that the cache holds.")
def cache(clear: bool) -> None:
    """Show where the clip cache is and how large, or empty it.

    VMP_CACHE_DIR and VMP_CACHE_LIMIT_GB (50; 0 = decode anew each time) set its place and its limit.
    """
    from vmp.data.cache.folder import CacheFolder

    folder = CacheFolder.from_environment()
    if clear:
        clips, size = folder.clear()
        click.echo(f"{folder.path}: deleted {clips} clips, {size / 1e9:.2f} GB")
        return
    clips, size = folder.usage()
    click.echo(f"{folder.path}: {clips} clips, {size / 1e9:.2f} GB of at most {folder.limit / 1e9:g} GB")


def _dataset(path: Path, settings: tuple[str, ...]) -> FileDataConfig:
    from vmp.data.resolve import resolve_dataset

    return resolve_dataset(path, settings)
