"""The page in a real browser: it runs alone, does what its buttons say, and shuts nobody out."""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from analysis.report.write import write_report
from sweeps.example_clips import example_clips
from sweeps.records.study_folder import StudyFolder
from tests.analysis.study_records import StudyModel, lambda_arms, write_study
from tests.conftest import ROOT
from vmp.data.registry import MotionData, load_data
from vmp.experiment import Experiment
from vmp.layer import functional as F

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install -e '.[dev]')")

LAYER = {
    "kind": "vmp",
    "motion": {"kind": "frame_difference", "channel_order": "RGB"},
    "normalization": {"kind": "sigmoid", "signed": True, "sharing": "layer"},
    "prompted_frame": "later",
}
# Twelve arms: tables are long enough for a filter, and one arm collapses.
STUDY = StudyModel(
    arms=lambda_arms(dict.fromkeys((0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50), 0.1), collapsed={50: [0, 2]}),
    settings={"layer": LAYER},
    strata={"camera=moving": 0.05, "camera=still": -0.05},
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    folder = write_study(tmp_path_factory.mktemp("study"), STUDY)
    experiment = Experiment(data=MotionData(train=12, val=12, test=12, size=32))
    folder.write_example_clips(example_clips(load_data(experiment.data), experiment))
    return folder


@pytest.fixture(scope="module")
def index(study: StudyFolder) -> Path:
    return write_report(study.path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A chromium of the system, else the one that `playwright install chromium` brings."""
    with playwright.sync_playwright() as driver:
        own = Path(driver.chromium.executable_path)
        path = shutil.which("chromium") or shutil.which("chromium-browser") or (own if own.is_file() else None)
        if path is None:
            pytest.skip("no chromium is installed, so the page cannot be opened in a browser")
        started = driver.chromium.launch(executable_path=str(path), args=["--no-sandbox"])
        yield started
        started.close()


class Opened:
    """A page with everything it complained of and asked for."""

    def __init__(self, browser: Any, index: Path, width: int = 1280, scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.errors.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(index.as_uri())
        self.page.wait_for_selector(".lab:not([hidden])")


@pytest.fixture
def opened(browser: Any, index: Path) -> Iterator[Opened]:
    one = Opened(browser, index)
    yield one
    assert one.errors == []
    assert [url for url in one.requests if not url.startswith(("data:", index.as_uri()))] == []
    one.context.close()


def set_slider(page: Any, part: str, value: float) -> None:
    page.locator(f'[data-part="{part}"]').evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input', {bubbles: true})); }", value
    )
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_the_sliders_draw_what_the_published_layer_computes(opened: Opened, study: StudyFolder) -> None:
    page, clips = opened.page, study.read_example_clips()
    pictures = [np.asarray(Image.open(io.BytesIO(base64.b64decode(clip.png)))) for clip in clips.clips]
    for number, (slope, shift) in enumerate([(9.1, -0.6), (26.35, 0.1), (50.0, -0.05)]):
        strip = pictures[number]
        side, frames = clips.side, len(clips.clips[number].frames)
        frames_of = torch.from_numpy(strip.reshape(side, frames, side, 3).transpose(3, 1, 0, 2)[None] / 255.0)
        mean, std = (torch.tensor(v, dtype=torch.float64).view(1, 3, 1, 1, 1) for v in (clips.mean, clips.std))
        clip = (frames_of - mean) / std
        difference = F.frame_difference(clip, clips.std)
        attention = F.power_normalization(difference, torch.tensor(slope), torch.tensor(shift))
        prompt = F.motion_prompt(attention, clip)

        page.locator('[data-part="clips"] button').nth(number).click()
        before = page.locator('[data-part="attention"]').evaluate("(canvas) => canvas.toDataURL()")
        set_slider(page, "slope", slope)
        set_slider(page, "shift", shift)
        assert page.locator('[data-part="attention"]').evaluate("(canvas) => canvas.toDataURL()") != before
        slope, shift = (
            float(page.locator(f'[data-part="{part}-value"]').get_attribute("data-value"))
            for part in ("slope", "shift")
        )
        attention = F.power_normalization(
            difference, torch.tensor(slope, dtype=torch.float64), torch.tensor(shift, dtype=torch.float64)
        )
        prompt = F.motion_prompt(attention, clip)
        shown = {
            part: float(page.locator(f'[data-part="{part}"]').get_attribute("data-value"))
            for part in ("variation", "mean", "std")
        }
        assert shown == pytest.approx(
            {
                "variation": float(F.attention_variation(attention)),
                "mean": float(attention.mean()),
                "std": float(attention.std(correction=0)),
            },
            rel=1e-9,
        )
        maps, prompts = page.evaluate(
            """([clip, slope, shift, mean, std]) => {
              const {frames, maps} = vmpLayer.clips[clip], all = vmpLayer.attention(maps, slope, shift);
              const prompts = all.map((map, t) => [...vmpLayer.prompt(map, frames[t + 1], mean, std)]);
              return [all.map((map) => [...map]), prompts];
            }""",
            [number, slope, shift, list(clips.mean), list(clips.std)],
        )
        np.testing.assert_allclose(np.reshape(maps, attention.shape), attention.numpy(), rtol=1e-9)
        expected = prompt[0].permute(1, 2, 3, 0).numpy()
        np.testing.assert_allclose(np.reshape(prompts, expected.shape), expected, rtol=1e-9, atol=1e-12)


def test_a_start_sets_the_sliders_and_examples_stand_apart(opened: Opened) -> None:
    page = opened.page
    groups = page.locator('[data-part="start"] optgroup').evaluate_all("(all) => all.map((one) => one.label)")
    assert groups == ["Learnt here", "Collapsed here", "Published"]
    page.locator('[data-part="start"]').select_option(label="learnt on FineGym, balance beam")
    page.wait_for_function(  # it is drawn in the next frame
        """() => Math.abs(document.querySelector('[data-part="slope-value"]').dataset.value - 11.06) < 0.01"""
    )
    assert page.locator(".example.healthy h4").inner_text().startswith("Healthy: λ")
    assert page.locator(".example.ill h4").inner_text() in ("Collapsed: λ = 50 (seed 0)", "Collapsed: λ = 50 (seed 2)")


def test_rows_sort_filter_and_lead_to_records(opened: Opened, study: StudyFolder) -> None:
    page = opened.page
    table = page.locator("#numbers table")
    column = 1 + table.locator("thead th").all_inner_texts().index(
        next(text for text in table.locator("thead th").all_inner_texts() if text.startswith("test mean"))
    )
    for rising in (True, False):
        table.locator(f"thead th:nth-child({column}) button").click()
        values = [float(text) for text in table.locator(f"tbody tr > :nth-child({column})").all_inner_texts()]
        assert values == sorted(values, reverse=not rising)
    page.locator("#numbers input[type=search]").fill("λ = 50")
    assert table.locator("tbody tr:visible").count() == 1
    table.locator("tbody tr:visible th a").click()
    record = page.locator("dialog.record")
    assert record.locator("tbody tr").count() == 5
    record.locator("tbody button").first.click()
    cell = study.read_cell(re.search(r"cells/(\w{16})\.json", record.inner_text())[1])  # type: ignore[index]
    assert "λ = 50, seed 0" in record.inner_text()
    assert f"{cell.metrics['shift']:.4g}".replace("-", "−") in record.inner_text()
    assert record.locator(".sparks svg").count() >= 3
    page.keyboard.press("Escape")
    assert not record.is_visible()


def test_an_arm_is_linked_to_its_dots_by_pointer_and_by_keyboard(opened: Opened) -> None:
    page = opened.page
    link = page.locator("#numbers tbody tr[data-arm]").filter(has_text="λ = 10").first.locator("th a")
    arm = link.evaluate("(a) => a.closest('tr').dataset.arm")
    for reach in (link.hover, link.focus):
        page.locator("h1").hover()
        page.evaluate("document.activeElement.blur()")
        reach()
        linked = page.locator(".linked").evaluate_all("(all) => all.map((one) => [one.dataset.arm, one.namespaceURI])")
        assert {of for of, _ in linked} == {arm}
        assert sum("svg" in space for _, space in linked) >= 3


def test_the_button_turns_light_into_dark(opened: Opened) -> None:
    page = opened.page
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.locator("#theme").click()
    assert page.evaluate(ground) != light
    page.reload()
    assert page.evaluate(ground) == light  # stored nowhere


def test_what_is_copied_is_the_sentence_and_the_latex(browser: Any, index: Path) -> None:
    one = Opened(browser, index)
    one.context.grant_permissions(["clipboard-read", "clipboard-write"])
    one.page.locator(".headline .copy").click(force=True)
    sentence = one.page.evaluate("navigator.clipboard.readText()")
    assert one.page.locator("#verdict").inner_text().replace("\u00a0", " ").startswith(sentence)
    one.page.locator("#numbers [data-latex] .copy").click()
    latex = one.page.evaluate("navigator.clipboard.readText()")
    file = (index.parent / "tables" / "results.tex").read_text()
    assert latex == re.sub(r" % cells [0-9a-f ]+", "", file)
    one.context.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_out_of_sight_without_a_hint(browser: Any, index: Path, width: int) -> None:
    one = Opened(browser, index, width)
    one.page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    hidden = one.page.evaluate(
        """() => [...document.querySelectorAll('main *, header *, footer *')]
             .filter((one) => one.clientWidth && one.scrollWidth > one.clientWidth + 1)
             .filter((one) => getComputedStyle(one).overflowX === 'auto')
             .filter((one) => !getComputedStyle(one).backgroundImage.includes('gradient'))
             .map((one) => one.className)"""
    )
    assert hidden == []
    box = one.page.locator("#figure-response svg").bounding_box()
    assert box["width"] > 340
    assert box["height"] > 150
    if width > 600:
        verdict = one.page.locator("#verdict").bounding_box()
        assert verdict["y"] + verdict["height"] < 900
    one.context.close()


def test_print_folds_nothing_away(browser: Any, index: Path, tmp_path: Path) -> None:
    one = Opened(browser, index)
    one.page.emulate_media(media="print")
    assert one.page.evaluate(
        "[...document.querySelectorAll('section > .scroll thead th')].every(th => th.innerText.trim())"
    )
    for text in ("Every planned cell, in the plan's order.", "How to cite"):
        assert one.page.get_by_text(text).first.is_visible()
    cell = one.page.locator("#cells tbody tr").first
    assert cell.bounding_box()["height"] > 0
    assert not one.page.locator("#theme").is_visible()
    one.page.pdf(path=str(tmp_path / "page.pdf"))
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    one.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, index: Path, scheme: str) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="axe-playwright-python, which carries axe-core, is not installed",
    )
    one = Opened(browser, index, scheme=scheme)
    one.page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    violations = axe.Axe().run(one.page).response["violations"]
    serious = [(v["id"], v["nodes"][0]["html"][:200]) for v in violations if v["impact"] in ("serious", "critical")]
    assert serious == []
    one.context.close()


def test_in_print_no_table_is_wider_than_the_page(browser: Any, tmp_path: Path) -> None:
    """Long names of settings break; words and numbers do not, and no column is left out."""
    one = Opened(browser, write_report(ROOT / "results" / "reference" / "transfer", tmp_path), width=680)
    one.page.emulate_media(media="print")
    one.page.evaluate("() => { for (const folded of document.querySelectorAll('details')) folded.open = true; }")
    wide = one.page.evaluate(
        "() => [...document.querySelectorAll('table')].filter((t) => t.getBoundingClientRect().right > innerWidth)"
        ".map((t) => t.closest('section').id)"
    )
    assert wide == []
    assert one.page.evaluate("() => document.documentElement.scrollWidth") == 680
    assert not one.page.locator(".copier").first.is_visible()
    one.context.close()
