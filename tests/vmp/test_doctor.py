"""``vmp doctor`` says what is there, and goes on where something is wrong."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.conftest import Vmp


def test_the_page_says_what_is_there(call_vmp: Vmp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMP_CACHE_DIR", str(tmp_path / "cache"))
    done = call_vmp("doctor", "--json")
    assert done.returncode == 0, done.stderr
    page = json.loads(done.stdout)
    assert page["packages"]["torch"] == version("torch")
    assert "agrees with the plain steps" in page["layer"]["kernel in C"]
    assert page["decoder"]["a film of 3 frames"] == "works"
    assert page["clip cache"]["place"] == str(tmp_path / "cache")
    assert page["environment"]["VMP_CACHE_DIR"] == str(tmp_path / "cache")
    assert not (tmp_path / "cache").exists(), "looking makes nothing"
    text = call_vmp("doctor").stdout
    assert all(section in text for section in page)


def test_what_cannot_be_looked_at_says_why(call_vmp: Vmp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMP_CACHE_LIMIT_GB", "much")
    page = json.loads(call_vmp("doctor", "--json").stdout)
    assert "VMP_CACHE_LIMIT_GB is 'much'" in page["clip cache"]["cannot be looked at"]
    assert page["decoder"]["a film of 3 frames"] == "works"
