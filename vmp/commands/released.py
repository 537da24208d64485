"""``vmp released``: slope and shift of a checkpoint of the released code, and what a pair of them says of videos."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vmp.commands.parameters import UserPath

if TYPE_CHECKING:
    from vmp.core.presets import Pair
    from vmp.released_files import ReleasedLayer
    from vmp.released_pair import Released

_REST = {
    "open": "open at rest: where nothing moves the attention is near 1, and the frame passes",
    "closed": "closed at rest: where nothing moves the attention is near 0, and the frame is held back",
    "between": "neither open nor closed at rest: where nothing moves the attention is neither near 1 nor near 0",
}


@click.command()
@click.argument("with_layer", metavar="WITH", type=UserPath())
@click.argument("without_layer", metavar="[WITHOUT]", required=False, type=UserPath())
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Data and how to look at them (repeat).")
@click.option("--slope-name", help="The tensor of WITH that holds the slope (or m), where that is not clear.")
@click.option("--shift-name", help="The tensor of WITH that holds the shift (or n), where that is not clear.")
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True, help="Clips at a time.")
@click.option("--loader-workers", type=click.IntRange(0), default=0, show_default=True, help="Processes that read.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def released(
    with_layer: Path,
    without_layer: Path | None,
    overrides: tuple[str, ...],
    slope_name: str | None,
    shift_name: str | None,
    batch_size: int,
    loader_workers: int,
    device: str,
    as_json: bool,
) -> None:
    """Read slope and shift out of WITH, a checkpoint in the form of the authors' released code, and check its backbone.

    WITHOUT is a checkpoint of the same form that was trained without the layer. With data, both are evaluated on the
    test split and compared video by video:

    \b
    vmp released with.pyth
    vmp released with.pyth without.pyth --set data.kind=slowfast --set data.path=lists --set data.fit=short
        --set sampling.kind=random --set sampling.rate=32 --set test.crops=3

    Keys are those of a study: data, sampling, normalize, test, layer.motion.channel_order.
    """
    from vmp.experiment import Runtime
    from vmp.released_files import read_layer, read_released, refuse_layer
    from vmp.released_pair import Released, evaluate_pair

    def say(*lines: str) -> None:
        if not as_json:
            click.echo("\n".join(lines))

    file = read_released(with_layer)
    layer = read_layer(file, slope_name=slope_name, shift_name=shift_name, what="WITH")
    answer: dict[str, Any] = {"schema": 1, "layer": _layer_object(layer)}
    say(f"WITH {file.path}", *_layer_lines(layer))
    without = None if without_layer is None else read_released(without_layer)
    if without is not None:
        refuse_layer(without)
    first = Released.of(file, layer)
    answer |= {"with": _file_object(first), "without": None, "evaluation": None}
    say(*_backbone_lines(answer["with"]))
    second = None if without is None else Released.of(without, None)
    if second is not None:
        answer["without"] = _file_object(second)
        say(f"WITHOUT {second.file.path}", *_backbone_lines(answer["without"]))
        if first.backbone.frames != second.backbone.frames:
            say(_two_lengths(first.backbone.frames, second.backbone.frames))
    if overrides:
        runtime = Runtime(device=device, loader_workers=loader_workers)
        measured = evaluate_pair(first, second, overrides, batch=batch_size, runtime=runtime)
        for name, accuracy in measured.pop("accuracy").items():
            answer[name] |= accuracy
        answer["evaluation"] = measured
        say(*_evaluation_lines(answer))
    if as_json:
        click.echo(json.dumps(answer))


def _layer_object(layer: ReleasedLayer) -> dict[str, Any]:
    return {
        "slope_name": layer.slope_name,
        "shift_name": layer.shift_name,
        "read_as": layer.read_as,
        **{name: getattr(layer.pair, name) for name in ("m", "n", "slope", "shift", "attention_at_zero")},
        "at_rest": layer.at_rest,
    }


def _layer_lines(layer: ReleasedLayer) -> list[str]:
    from vmp.core.presets import PRESETS

    first, second = layer.read_as.split(" and ")
    preset = PRESETS["mpii_cooking2_whip"]
    return [
        f"  {first} taken from {layer.slope_name}, {second} from {layer.shift_name}",
        f"  {_numbers(layer.pair)}",
        f"  {_REST[layer.at_rest]}",
        f"  published for comparison ({preset.where}): {_numbers(preset)}",
    ]


def _numbers(pair: Pair) -> str:
    return (
        f"m {pair.m:.4g}, n {pair.n:.4g}: slope a {pair.slope:.4g}, shift b {pair.shift:.3g}, "
        f"A at D = 0 {pair.attention_at_zero:.3g}"
    )


def _file_object(one: Released) -> dict[str, Any]:
    backbone = one.backbone
    return {
        "file": str(one.file.path),
        "backbone": backbone.config.kind,
        "frames": backbone.frames,
        "size": backbone.size,
        "classes": backbone.classes,
        "tensors": len(backbone.weights),
        "unused": one.unused,
        "top1": None,
        "mean_class": None,
    }


def _backbone_lines(one: Mapping[str, Any]) -> list[str]:
    from vmp.data.notices import shortened_list

    return [
        f"  {one['backbone']}, {one['frames']} frames of {one['size']} x {one['size']} pixels, {one['classes']} "
        f"classes; all {one['tensors']} tensors are there",
        *([f"  not used: {shortened_list(one['unused'])}"] if one["unused"] else []),
    ]


def _two_lengths(first: int, second: int) -> str:
    text = f"  time embeddings for {first} frames in WITH and {second} in WITHOUT: each is evaluated on as many"
    if first == second + 1:
        text += (
            f"; if the layer was trained on clips of {first} frames, of which {second} reached the backbone, "
            f"--set sampling.num_frames={second} is right for both"
        )
    return text


def _evaluation_lines(answer: Mapping[str, Any]) -> list[str]:
    from vmp.core.text import count
    from vmp.released_pair import ABOUT

    made, names = answer["evaluation"], answer["evaluation"]["classes"]
    lines = [
        f"{made['data']} (hash {made['hash']}): {count(made['videos'], 'test video')}, sampler {made['sampler']}, "
        f"{count(made['views'], 'view')}, {count(made['crops'], 'crop')}",
        f"  the files name no classes: output 1 is taken for {names[0]!r}, output {len(names)} for {names[-1]!r}",
    ]
    for name in ("with", "without"):
        if (one := answer[name]) is None:
            continue
        lines.append(f"  {name.upper():<8} top-1 {one['top1']:.1%}, mean class accuracy {one['mean_class']:.1%}")
        if one["frames"] != made["frames"][name]:
            lines.append(f"           on {count(made['frames'][name], 'frame')}, by the nearest time embeddings")
    if made["difference"] is None:
        return lines
    top1, mean_class = (100 * made["difference"][name] for name in ("top1", "mean_class"))
    lines += [
        f"  WITH minus WITHOUT: top-1 {top1:+.1f} points, mean class accuracy {mean_class:+.1f} points",
        f"  {count(made['only_with'], 'video')} only WITH has right, {made['only_without']} only WITHOUT: "
        f"p = {made['p_value']:.2g} for top-1 (McNemar's exact test, two-sided)",
    ]
    if made["sources"] is not None and made["sources"] < made["videos"]:
        lines.append(
            f"  the test takes videos for independent, and these come from {count(made['sources'], 'recording')}: "
            "where videos of one recording are alike, the true p is larger"
        )
    return [*lines, ABOUT]
