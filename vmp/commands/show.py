"""``vmp show``: what the layer sees in a video."""

from __future__ import annotations

from pathlib import Path

import click

from vmp.commands.parameters import UserPath


@click.command()
@click.argument("video", type=UserPath())
@click.option("--out", type=UserPath(), help="Picture to write (.png, .svg, .pdf) [VIDEO's name.png].")
@click.option("--video", "movie", type=UserPath(), help="Also write a film (.mp4, .mov, .mkv, .gif).")
@click.option("--slope", type=float, help="Slope a, in (9.09, 50].")
@click.option("--shift", type=float, help="Shift b, in (-0.6, 0.6).")
@click.option("--checkpoint", type=UserPath(), help="Take slope and shift from a training state.")
@click.option("--model", help="Take the layer, the sampler and the size of a kept model (its folder).")
@click.option("--trust-code", is_flag=True, help="Run code of its own that the model names.")
@click.option("--channel-order", default="RGB", show_default=True, help="RGB, or BGR for the authors' swapped weights.")
@click.option("--frames", type=click.IntRange(2, 64), help="Frames to show [9, or the model's].")
@click.option("--rate", type=float, help="Frames from one to the next, for the sampler 'random' [2].")
@click.option("--sampling", help="The sampler, whose central test clip is shown [random, or the model's].")
@click.option("--size", type=click.IntRange(16, 1024), help="Short side in pixels [128, or the model's].")
def show(
    video: Path,
    out: Path | None,
    movie: Path | None,
    slope: float | None,
    shift: float | None,
    checkpoint: Path | None,
    model: str | None,
    trust_code: bool,
    channel_order: str,
    frames: int | None,
    rate: float | None,
    sampling: str | None,
    size: int | None,
) -> None:
    """Show frames, differences, attention maps and prompts of VIDEO for a slope and shift, or for a trained model."""
    from vmp.core.config import Choice, to_plain
    from vmp.core.errors import InputError
    from vmp.core.files import replacing
    from vmp.data.sampling import SAMPLERS
    from vmp.saved_model import load_model
    from vmp.show.clip import build_layer, choose_frames, draw_show, layer_of, prepare_show
    from vmp.show.film import check_ending, render_video
    from vmp.video import Geometry, VideoReader

    geometry = Geometry(size=size or 128, fit="short")
    plain: dict[str, object] = {"kind": sampling or "random", "num_frames": frames or 9}
    if model is not None:
        if (slope, shift, checkpoint) != (None, None, None):
            raise InputError("give either a model, or a checkpoint, or slope and shift: each holds both")
        loaded = load_model(model, trust_code=trust_code)
        layer = layer_of(loaded)
        geometry = loaded.settings.geometry if size is None else geometry
        if sampling is None:
            plain = to_plain(loaded.settings.sampling) | {"num_frames": frames or loaded.clip_frames}
    else:
        layer = build_layer(slope=slope, shift=shift, checkpoint=checkpoint, channel_order=channel_order)
    if rate is not None or (plain["kind"] == "random" and "rate" not in plain):
        plain["rate"] = 2.0 if rate is None else rate
    sampler = Choice(SAMPLERS, "sampler").validate(plain)
    reader = VideoReader(video, geometry)
    target = out or Path(f"{video.stem}.png")
    if target.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise InputError(f"{target}: pictures are written as .png, .svg or .pdf")
    if movie is not None:
        check_ending(movie)
    if reader.index.streams > 1:
        click.echo(f"{video}: holds {reader.index.streams} video streams; the first is shown", err=True)
    figure = draw_show(prepare_show(reader, choose_frames(reader, sampler), layer))
    try:
        with replacing(target, target.suffix) as temporary:
            figure.savefig(temporary, dpi=110)
    except OSError as error:
        raise InputError(f"{target}: the picture cannot be written ({error.strerror})") from error
    click.echo(str(target))
    if movie is not None:
        steps = render_video(reader, movie, layer)
        click.echo(f"{movie} ({steps} steps)")
