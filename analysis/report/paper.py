"""One LaTeX file that includes every table and figure of the report, to compile or to copy from."""

from __future__ import annotations

from analysis.report.compose import Composition
from analysis.report.latex import escape
from analysis.verdict.conclusions import Conclusions
from analysis.words.headline import headline

PAPER_FILE = "report.tex"
MAX_ROWS = 300  # of a table that is printed; a longer one is for computing, and named instead
_HEAD = r"""% Compile in this folder: pdflatex report.tex
\documentclass[10pt]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{booktabs}
\usepackage{graphicx}
"""


def paper(conclusions: Conclusions, composition: Composition) -> str:
    """The document: a section for each of the report's that has a table or a figure, figures before tables."""
    lines = [_HEAD + f"\\title{{{escape(conclusions.study.name)}}}", r"\author{}", r"\date{}"]
    lines += [r"\begin{document}", r"\maketitle", r"\noindent " + escape(headline(conclusions).text)]
    for section, content in composition.sections:
        tables = [table for table in content.tables if table.rows]
        if not tables and not content.figures:
            continue
        if section.title:
            lines += ["", f"\\section*{{{escape(section.title)}}}"]
        for figure in content.figures:
            lines += [r"\begin{figure}[htbp]", r"\centering"]
            lines += [rf"\includegraphics[width=\linewidth]{{../figures/{figure.name}.png}}"]
            lines += [f"\\caption{{{escape(figure.caption)}}}", r"\end{figure}"]
        for table in tables:
            if len(table.rows) > MAX_ROWS:
                lines.append(f"% ../tables/{table.name}.tex has {len(table.rows)} rows and is left out here")
            else:
                lines.append(f"\\input{{../tables/{table.name}.tex}}")
        lines.append(r"\clearpage")
    return "\n".join([*lines, r"\end{document}"]) + "\n"
