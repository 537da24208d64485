"""``vmp predict``: what a kept model says of videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from vmp.commands.parameters import UserPath

_SHOWN = 3


@click.command()
@click.argument("model")
@click.argument("videos", nargs=-1, required=True, type=UserPath())
@click.option("--window", type=float, help="Seconds: look at a video in windows of this length, one after the other.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--trust-code", is_flag=True, help="Run code of its own that the model names.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def predict(
    model: str, videos: tuple[Path, ...], window: float | None, device: str, trust_code: bool, as_json: bool
) -> None:
    """Classify VIDEOS by MODEL: a folder in a study's `models`, or a name on the Hugging Face hub.

    A video is looked at as the study's test videos were. One that is far longer than the training videos goes through
    in windows. Exit code 3 if some video cannot be read.
    """
    from vmp.core.errors import InputError
    from vmp.experiment import Runtime
    from vmp.saved_model import load_model

    loaded = load_model(model, trust_code=trust_code).to(Runtime(device=device).torch_device())
    found: list[dict[str, Any]] = []
    for video in videos:
        one: dict[str, Any] = {"video": str(video)}
        try:
            predictions = loaded.predict(video, window=window)
        except InputError as error:
            one["error"] = str(error)
            click.echo(f"Error: {error}", err=True)
            predictions = []
        one["predictions"] = [
            {
                "start": made.start,
                "stop": made.stop,
                "class": loaded.classes[int(made.probabilities.argmax())],
                "probabilities": dict(zip(loaded.classes, made.probabilities.tolist(), strict=True)),
            }
            for made in predictions
        ]
        found.append(one)
        if not as_json:
            for line in _lines(one):
                click.echo(line)
    if as_json:
        click.echo(json.dumps({"schema": 1, "model": model, "classes": list(loaded.classes), "videos": found}))
    if any("error" in one for one in found):
        raise SystemExit(3)


def _lines(video: dict[str, Any]) -> list[str]:
    lines = []
    for made in video["predictions"]:
        ranked = sorted(made["probabilities"].items(), key=lambda one: -one[1])[:_SHOWN]
        where = "" if made["start"] is None else f"  {made['start']:.2f} to {made['stop']:.2f} s"
        lines.append(f"{video['video']}{where}  " + ", ".join(f"{name} {share:.3f}" for name, share in ranked))
    return lines
