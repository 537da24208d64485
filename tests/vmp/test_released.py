"""Checkpoints of the authors' form, made here from our own networks: what is read out of them, and what they say."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from scipy.special import comb
from torch import Tensor, nn

from tests.conftest import ROOT
from tests.vmp.data.tiny_videos import write_video
from vmp.backbones.registry import BACKBONES, build_backbone
from vmp.commands.released import released
from vmp.core.errors import InputError
from vmp.data.registry import MotionData, load_data
from vmp.layer.published import VideoMotionPrompt
from vmp.released_files import ReleasedBackbone, fit_backbone, read_layer, read_released
from vmp.released_pair import Measured, Released, compare, experiment_for, load_videos, measure

FRAMES, SIZE, CLASSES = 4, 32, 6
M, N = 0.257, 0.053
MOTION = MotionData(train=24, val=12, test=12, shortcut=1)  # with colours, on which gray levels depend
DATA = ("data.shortcut=1", "data.kind=motion", "data.train=24", "data.val=12", "data.test=12")

# Our names -> the authors', written from the modules of facebookresearch/TimeSformer and not from our translation.
TO_AUTHORS = (
    (r"^network\.", ""),
    (r"^timesformer\.encoder\.layer\.(\d+)\.", r"blocks.\1."),
    (r"^timesformer\.embeddings\.", ""),
    (r"^timesformer\.layernorm\.", "norm."),
    (r"^classifier\.", "head."),
    (r"^position_embeddings$", "pos_embed"),
    (r"^time_embeddings$", "time_embed"),
    (r"^patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.temporal_layernorm\.", ".temporal_norm1."),
    (r"\.temporal_dense\.", ".temporal_fc."),
    (r"\.temporal_attention\.attention\.qkv\.", ".temporal_attn.qkv."),
    (r"\.temporal_attention\.output\.dense\.", ".temporal_attn.proj."),
    (r"(\d)\.attention\.attention\.qkv\.", r"\1.attn.qkv."),
    (r"(\d)\.attention\.output\.dense\.", r"\1.attn.proj."),
    (r"(\d)\.intermediate\.dense\.", r"\1.mlp.fc1."),
    (r"(\d)\.output\.dense\.", r"\1.mlp.fc2."),
)

Write = Callable[..., Path]


def backbone(seed: int, frames: int = FRAMES, classes: int = CLASSES) -> nn.Module:
    """A tiny TimeSformer in which every tensor has numbers of its own, so that no two can be mistaken."""
    torch.manual_seed(seed)
    made = build_backbone(
        BACKBONES["timesformer_tiny"](kind="timesformer_tiny"), num_classes=classes, num_frames=frames, size=SIZE
    ).eval()
    with torch.no_grad():
        for value in made.parameters():
            value.add_(0.05 * torch.randn_like(value))
    return made


def authors_names(module: nn.Module, prefix: str = "model.") -> dict[str, Tensor]:
    named = {}
    for name, value in module.state_dict().items():
        for pattern, replacement in TO_AUTHORS:
            name = re.sub(pattern, replacement, name)
        named[prefix + name] = value.clone()
    return named


def layer_tensors(m: float = M, n: float = N, prefix: str = "motion_prompt.") -> dict[str, Tensor]:
    return {f"{prefix}m": torch.tensor([m]), f"{prefix}n": torch.tensor([n])}


@pytest.fixture(scope="module")
def networks() -> tuple[nn.Module, nn.Module]:
    return backbone(1), backbone(2)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, state: dict[str, Any], **more: Any) -> Path:
        content = {"epoch": 24, "model_state": state, "optimizer_state": {"state": {}}, "cfg": "MODEL:\n  NUM: 6\n"}
        torch.save(content | more, tmp_path / name)
        return tmp_path / name

    return write


def run(*arguments: object, sets: tuple[str, ...] = ()) -> Result:
    settings = [part for setting in sets for part in ("--set", setting)]
    return CliRunner().invoke(released, [*map(str, arguments), *settings])


def sentence(result: Result) -> str:
    """The one sentence with which the command line ends, by exit code 2."""
    error = result.exception
    assert isinstance(error, InputError), (result.output, error)
    assert error.exit_code == 2
    assert "\n" not in str(error)
    return str(error)


def fitted(path: Path) -> ReleasedBackbone:
    return fit_backbone(read_released(path))


def test_the_command_is_registered() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["vmp.commands"]["released"] == "vmp.commands.released:released"


def test_the_names_of_these_tests_are_those_of_the_released_code(networks: tuple[nn.Module, nn.Module]) -> None:
    names = set(authors_names(networks[0]))
    block = {name.removeprefix("model.blocks.3.") for name in names if name.startswith("model.blocks.3.")}
    parts = ("norm1", "attn.qkv", "attn.proj", "temporal_norm1", "temporal_attn.qkv", "temporal_attn.proj")
    parts += ("temporal_fc", "norm2", "mlp.fc1", "mlp.fc2")
    assert block == {f"{part}.{kind}" for part in parts for kind in ("weight", "bias")}
    outside = {name.removeprefix("model.") for name in names if not name.startswith("model.blocks.")}
    ends = {f"{part}.{kind}" for part in ("patch_embed.proj", "norm", "head") for kind in ("weight", "bias")}
    assert outside == {"cls_token", "pos_embed", "time_embed"} | ends


@pytest.mark.parametrize("prefix", ["model.", "module.model.", ""])
def test_a_file_gives_the_logits_of_the_network_that_it_was_saved_from(
    prefix: str, networks: tuple[nn.Module, nn.Module], write: Write
) -> None:
    path = write("with.pyth", layer_tensors() | authors_names(networks[0], prefix))
    found = fitted(path)
    assert (found.config.kind, found.frames, found.size, found.classes) == ("timesformer_tiny", FRAMES, SIZE, CLASSES)
    again = build_backbone(found.config, num_classes=CLASSES, num_frames=FRAMES, size=SIZE).eval()
    again.load_state_dict(found.weights_for(FRAMES))
    clip = torch.randn(2, 3, FRAMES, SIZE, SIZE, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert torch.equal(again(clip), networks[0](clip))


def test_other_lengths_take_the_nearest_time_embeddings(write: Write) -> None:
    found = fitted(write("nine.pyth", authors_names(backbone(4, frames=9))))
    (name,) = (name for name in found.weights if name.endswith("time_embeddings"))
    rows = [int(i * 9 / 8) for i in range(8)]
    assert found.frames == 9
    assert torch.equal(found.weights_for(8)[name], found.weights[name][:, rows])


def test_slope_and_shift_are_read(networks: tuple[nn.Module, nn.Module], write: Write) -> None:
    path = write("with.pyth", authors_names(networks[0]) | layer_tensors())
    done = run(path)
    assert done.exit_code == 0, done.output
    assert "m taken from motion_prompt.m, n from motion_prompt.n" in done.output
    assert "m 0.257, n 0.053: slope a 23.46, shift b 0.0318, A at D = 0 0.322" in done.output
    assert "neither open nor closed at rest" in done.output
    assert "timesformer_tiny, 4 frames of 32 x 32 pixels, 6 classes; all 89 tensors are there" in done.output
    assert "WITHOUT" not in done.output
    answer = json.loads(run(path, "--json").output)
    layer = answer["layer"]
    own = VideoMotionPrompt((0.45,) * 3, (0.225,) * 3, m=M, n=N)
    expected = {"m": M, "n": N, "slope": own.slope.item(), "shift": own.shift.item()}
    expected["attention_at_zero"] = own.curve(torch.zeros(1)).item()
    assert {key: layer[key] for key in expected} == pytest.approx(expected, rel=1e-5)
    assert (layer["at_rest"], layer["read_as"], answer["schema"]) == ("between", "m and n", 1)
    assert (answer["without"], answer["evaluation"], answer["with"]["top1"]) == (None, None, None)


@pytest.mark.parametrize(("n", "at_rest"), [(-0.66, "open"), (0.66, "closed")])
def test_a_layer_is_called_open_or_closed_at_rest(
    n: float, at_rest: str, networks: tuple[nn.Module, nn.Module], write: Write
) -> None:
    state = authors_names(networks[0]) | layer_tensors(0.26, n)
    assert f"\n  {at_rest} at rest" in run(write("with.pyth", state)).output


@pytest.mark.parametrize(
    ("a", "b", "read_as", "slope", "shift"),
    [
        (23.46, 0.0318, "slope and shift", 23.46, 0.0318),
        (0.1, 0.0, "m and n", 5 / (0.45 * np.tanh(0.1) + 0.1), 0.0),  # the start in the first author's later code
        (-1.7, -0.26, "m and n", 5 / (0.45 * np.tanh(1.7) + 0.1), 0.6 * np.tanh(-0.26)),
    ],
)
def test_a_and_b_are_slope_and_shift_where_they_can_be(
    a: float, b: float, read_as: str, slope: float, shift: float, networks: tuple[nn.Module, nn.Module], write: Write
) -> None:
    scalars = {"model.vmp.a": torch.tensor(a), "model.vmp.b": torch.tensor(b)}
    layer = read_layer(read_released(write("ab.pyth", authors_names(networks[0]) | scalars)))
    assert layer.read_as == read_as
    assert (layer.pair.slope, layer.pair.shift) == pytest.approx((slope, shift), rel=1e-5, abs=1e-7)


def test_which_tensors_are_meant_can_be_said(networks: tuple[nn.Module, nn.Module], write: Write) -> None:
    more = {"motion_prompt.temperature": torch.tensor(2.0), "motion_prompt.steps": torch.tensor(3)}
    path = write("more.pyth", authors_names(networks[0]) | layer_tensors() | more)
    said = sentence(run(path))
    assert "motion_prompt.m, motion_prompt.n, motion_prompt.temperature: name them by --slope-name" in said
    assert "go together" in sentence(run(path, "--slope-name", "motion_prompt.m"))
    named = ("--slope-name", "motion_prompt.m", "--shift-name")
    assert "--shift-name n: must name a tensor of one element" in sentence(run(path, *named, "n"))
    done = run(path, *named, "motion_prompt.n")
    assert done.exit_code == 0
    assert "not used: motion_prompt.temperature, motion_prompt.steps" in done.output


def test_files_that_do_not_fit_are_refused_with_a_sentence(
    networks: tuple[nn.Module, nn.Module], write: Write, tmp_path: Path
) -> None:
    plain, layer = authors_names(networks[0]), layer_tensors()
    assert "no slope and shift; is it the file without the layer?" in sentence(run(write("f", plain)))
    odd = {"motion_prompt.u": torch.tensor(1.0), "motion_prompt.v": torch.tensor(1.0)}
    assert "is not clear" in sentence(run(write("f", plain | odd)))
    assert "motion_prompt.m is nan" in sentence(run(write("f", plain | layer_tensors(float("nan")))))

    gone = ("model.blocks.2.temporal_fc.weight", "model.norm.bias")
    lacking = {name: value for name, value in plain.items() if name not in gone}
    said = sentence(run(write("f", lacking | layer)))
    assert "has no blocks.2.temporal_fc.weight, norm.bias" in said or "has no norm.bias, blocks.2" in said
    assert "2 tensors of 89 of a timesformer_tiny missing" in said
    headless = {name: value for name, value in plain.items() if ".head." not in name}
    assert "has no head.weight, from which the form" in sentence(run(write("f", headless | layer)))
    assert "one tensor called cls_token" in sentence(run(write("f", {"conv.weight": torch.ones(2, 2)})))

    reshaped = plain | layer | {"model.blocks.0.mlp.fc1.weight": torch.zeros(100, 96)}
    assert "blocks.0.mlp.fc1.weight (100, 96) instead of (384, 96)" in sentence(run(write("f", reshaped)))
    flat = plain | layer | {"model.head.weight": torch.zeros(96)}
    assert "head.weight has the shape (96), and 2 axes are expected" in sentence(run(write("f", flat)))
    patches = plain | layer | {"model.patch_embed.proj.weight": torch.zeros(96, 3, 8, 8)}
    assert "patches of 8 pixels" in sentence(run(write("f", patches)))
    shallow = {name: value for name, value in plain.items() if ".blocks.3." not in name}
    said = sentence(run(write("f", shallow | layer)))
    assert "width 96 with 3 blocks" in said
    assert "timesformer_base (width 768, 12 blocks)" in said
    broken = plain | layer | {"model.norm.bias": torch.full((96,), float("inf"))}
    assert "not finite" in sentence(run(write("f", broken)))

    assert "does not exist" in sentence(run(tmp_path / "nowhere.pyth"))
    running = write("f", plain | layer, cfg=Path("an object instead of a text"))
    assert "holds more than tensors and is not read, because that could run code" in sentence(run(running))
    (tmp_path / "damaged.pyth").write_bytes(running.read_bytes()[:5000])
    assert "cannot be read" in sentence(run(tmp_path / "damaged.pyth"))


def test_a_refused_file_prints_no_half_object(networks: tuple[nn.Module, nn.Module], write: Write) -> None:
    plain = authors_names(networks[0])
    first = write("with.pyth", plain | layer_tensors())
    swapped = run(first, first, "--json")
    assert "motion_prompt.m, motion_prompt.n, of one element and not of its backbone" in sentence(swapped)
    assert swapped.stdout == ""
    headless = {name: value for name, value in plain.items() if name != "model.norm.weight"}
    lacking = run(write("f", headless | layer_tensors()))
    assert "slope a 23.46" in lacking.output, "what can be read is said, whatever the backbone"
    assert "norm.weight" in sentence(lacking)


def test_settings_that_do_not_fit_the_files_are_refused(networks: tuple[nn.Module, nn.Module], write: Write) -> None:
    path = write("with.pyth", authors_names(networks[0]) | layer_tensors())
    for setting, words in (
        ("sampling.kind=random", "names no data"),
        ("sampling.kind=nonsense", "--set sampling.kind"),
        ("data.size=64", "position embeddings"),
        ("data.still=3", "classifier for 6 classes, and the data set"),
        ("backbone.kind=slow_tiny", "unknown key"),
        ("layer.kind=control", "the published layer"),
        ("layer.normalization.start=published", "the published layer"),
        ("layer.motion.kind=rgb_difference", "the published layer"),
        ("test.crops=3", "data.fit"),
        ("test.views", "must be key=value"),
    ):
        sets = (setting,) if words == "names no data" else (*DATA, setting)
        done = run(path, "--json", sets=sets)
        assert words in sentence(done)
        assert done.stdout == ""


LABELS = np.array([video.label for video in load_data(MOTION).videos if video.split == "test"])


def by_hand(network: nn.Module, *, layer: bool, order: str = "BGR") -> np.ndarray:
    """Log probabilities of the test videos: frames, layer and softmax computed here, a video at a time."""
    data = load_data(MOTION)
    scores = []
    for index, video in enumerate(data.videos):
        if video.split != "test":
            continue
        taken = FRAMES + layer
        frames = data.read(index, np.array([int((k + 0.5) * video.num_frames / taken) for k in range(taken)]))
        pixels = torch.from_numpy(frames.copy()).double() / 255
        clip = ((pixels - 0.45) / 0.225).permute(3, 0, 1, 2)
        if layer:
            weights = {"BGR": [0.114, 0.587, 0.299], "RGB": [0.299, 0.587, 0.114]}[order]
            gray = (pixels * torch.tensor(weights, dtype=torch.float64)).sum(-1)
            slope, shift = 5 / (0.45 * abs(np.tanh(M)) + 0.1), 0.6 * np.tanh(N)
            clip = clip[:, 1:] * torch.sigmoid(slope * (gray[1:] - gray[:-1] - shift))
        with torch.no_grad():
            scores.append(network(clip[None].float())[0].double().log_softmax(0).numpy())
    return np.stack(scores)


def measured(path: Path, *settings: str, layer: bool) -> np.ndarray:
    """Log probabilities of the test videos as the command computes them."""
    file = read_released(path)
    one = Released.of(file, read_layer(file) if layer else None)
    experiment = experiment_for((*DATA, *settings), one, 5)
    data = load_videos(experiment, one)
    return measure(experiment, one.backbone, data, torch.device("cpu")).log_probabilities.numpy()


@pytest.mark.parametrize("order", ["BGR", "RGB"])
def test_each_video_has_the_probabilities_of_a_computation_by_hand(
    order: str, networks: tuple[nn.Module, nn.Module], write: Write
) -> None:
    path = write("with.pyth", authors_names(networks[0]) | layer_tensors())
    settings = () if order == "BGR" else (f"layer.motion.channel_order={order}",)
    expected = by_hand(networks[0], layer=True, order=order)
    other = by_hand(networks[0], layer=True, order=order[::-1])
    assert np.abs(expected - other).max() > 1e-3, "the order of the colours would not show"
    np.testing.assert_allclose(measured(path, *settings, layer=True), expected, atol=1e-4)


def test_the_evaluation_is_what_a_computation_by_hand_gives(
    networks: tuple[nn.Module, nn.Module], write: Write
) -> None:
    first = write("with.pyth", authors_names(networks[0]) | layer_tensors())
    second = write("without.pyth", authors_names(networks[1]))
    scores = by_hand(networks[0], layer=True), by_hand(networks[1], layer=False)
    expected = scores[0].argmax(1) == LABELS, scores[1].argmax(1) == LABELS
    np.testing.assert_allclose(measured(second, layer=False), scores[1], atol=1e-4)
    done = run(first, second, "--json", sets=DATA)
    assert done.exit_code == 0, done.exception
    answer = json.loads(done.output)
    for name, right in zip(("with", "without"), expected, strict=True):
        assert answer[name]["top1"] == pytest.approx(right.mean())
        assert answer[name]["mean_class"] == pytest.approx(np.mean([right[c == LABELS].mean() for c in range(6)]))
    found = answer["evaluation"]
    only = int((expected[0] & ~expected[1]).sum()), int((~expected[0] & expected[1]).sum())
    assert (found["only_with"], found["only_without"]) == only
    assert sum(only) > 0, "the test would show nothing of the comparison"
    assert found["both"] + found["neither"] + sum(only) == found["videos"] == 12
    assert found["difference"]["top1"] == pytest.approx((only[0] - only[1]) / 12)
    tail = sum(comb(sum(only), k) for k in range(min(only) + 1)) / 2 ** sum(only)
    assert found["p_value"] == pytest.approx(min(1.0, 2 * tail))
    assert (found["hash"], found["frames"]) == (load_data(MOTION).fingerprint, {"with": FRAMES, "without": FRAMES})

    text = run(first, second, sets=DATA).output
    assert f"WITH     top-1 {expected[0].mean():.1%}" in text
    assert "output 1 is taken for 'right', output 6 for 'counter-clockwise'" in text
    assert "This is about these two files and these videos" in text
    alone = run(first, sets=DATA).output
    assert f"WITH     top-1 {expected[0].mean():.1%}" in alone
    assert "WITHOUT" not in alone


def test_clips_of_another_length_are_evaluated_with_resized_time_embeddings(write: Write) -> None:
    longer = backbone(5, frames=FRAMES + 1)
    first = write("with.pyth", authors_names(longer) | layer_tensors())
    second = write("without.pyth", authors_names(backbone(6)))
    text = run(first, second).output
    assert "time embeddings for 5 frames in WITH and 4 in WITHOUT" in text
    assert "--set sampling.num_frames=4 is right for both" in text
    shorter = backbone(6)
    state = longer.state_dict()
    (name,) = (name for name in state if name.endswith("time_embeddings"))
    shorter.load_state_dict(state | {name: state[name][:, [0, 1, 2, 3]]})  # floor(5 i / 4)
    setting = f"sampling.num_frames={FRAMES}"
    np.testing.assert_allclose(measured(first, setting, layer=True), by_hand(shorter, layer=True), atol=1e-4)
    done = run(first, second, sets=(*DATA, setting))
    assert "on 4 frames, by the nearest time embeddings" in done.output


def test_videos_of_one_recording_views_and_crops(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMP_CACHE_DIR", str(tmp_path / "cache"))
    rows = ["path,label,split,group"]
    for i in range(8):
        write_video(tmp_path / f"{i}.mp4", 8, video=i, width=64)
        split, camera = ("test", i % 4 // 2) if i < 4 else ("train", 2 + i % 2)
        rows.append(f"{i}.mp4,{'ab'[i % 2]},{split},camera-{camera}")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    files = [
        write("with.pyth", authors_names(backbone(7, classes=2)) | layer_tensors()),
        write("without.pyth", authors_names(backbone(8, classes=2))),
    ]
    sets = ("data.kind=manifest", f"data.path={tmp_path / 'clips.csv'}", "data.fit=short", "data.val_fraction=0")
    sets += ("sampling.kind=random", "test.views=2", "test.crops=3")
    done = run(*files, "--json", sets=sets)
    assert done.exit_code == 0, done.exception
    found = json.loads(done.output)["evaluation"]
    assert {key: found[key] for key in ("videos", "sources", "sampler", "views", "crops")} == {
        "videos": 4, "sources": 2, "sampler": "random", "views": 2, "crops": 3,
    }  # fmt: skip
    assert "these come from 2 recordings" in run(*files, sets=sets).output


def test_mcnemars_test_counts_the_videos_that_one_file_alone_has_right() -> None:
    def right(*hits: int) -> Measured:
        labels = torch.zeros(len(hits), dtype=torch.int64)
        scores = torch.tensor([[hit, 1.0 - hit] for hit in hits]).log()
        videos = tuple(map(str, range(len(hits))))
        return Measured(videos=videos, top1=0.0, mean_class=0.0, log_probabilities=scores, labels=labels)

    pair = compare(right(1, 1, 1, 1, 1, 1, 0, 1, 0), right(0, 0, 0, 0, 0, 0, 1, 1, 0))
    assert (pair.both, pair.only_with, pair.only_without, pair.neither) == (1, 6, 1, 1)
    assert pair.p_value == pytest.approx(2 * (1 + 7) / 2**7)
    assert compare(right(1, 0), right(1, 0)).p_value == 1.0
