"""Figures, one file each: ``prepare_x -> data``, ``draw_x(data, *, ax)``, ``x_figure -> ReportFigure``."""
