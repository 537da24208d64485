"""How to cite what a report rests on: the method, and the toolkit in the version that computed the cells."""

from __future__ import annotations

from analysis.study.cells import Study

_PAPER = """@inproceedings{chen2024motion,
  title     = {Motion meets Attention: Video Motion Prompts},
  author    = {Chen, Qixiang and Wang, Lei and Koniusz, Piotr and Gedeon, Tom},
  booktitle = {Proceedings of the Asian Conference on Machine Learning (PMLR 260)},
  pages     = {591--606},
  year      = {2024},
  url       = {https://arxiv.org/abs/2407.03179}
}"""
_PACKAGE = "video-motion-prompts"


def citation(study: Study) -> str:
    """BibTeX of both; the version is that of the records, and missing where they name several or none."""
    versions = {record.versions.get(_PACKAGE) for record in study.records.values()}
    version = versions.pop() if len(versions) == 1 else None
    lines = [
        "@software{videomotionprompts,",
        "  title  = {Video Motion Prompts: a toolkit to ablate and tune them},",
        "  author = {{The Video Motion Prompts toolkit authors}},",
        *([f"  version = {{{version}}},"] if version else []),
        f"  note   = {{Study data {study.plan.data.hash}, code {study.plan.code.hash}}}",
        "}",
    ]
    return _PAPER + "\n\n" + "\n".join(lines)
