"""From the records of a study to tables, figures, verdicts and the report; needs neither torch, ray nor optuna.

    >>> import analysis
    >>> conclusions = analysis.conclude(analysis.load_study("results/lambda"))     # doctest: +SKIP
    >>> analysis.headline(conclusions).text                                        # doctest: +SKIP
    >>> analysis.write_report("results/lambda")                                    # doctest: +SKIP

Contents, in the order of the stages (``__init__.pyi`` says where each is defined): `load_study` (folder to tidy table),
`conclude` (every summary, comparison and verdict), `headline` and `findings` (sentences with the comparisons behind
them), `Section` (what the report is made of; add your own by an entry point), `write_report`. Everything is loaded on
first use, so that importing the package costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
