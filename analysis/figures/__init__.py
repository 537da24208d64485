"""Figures, one file each: ``prepare_x -> data``, ``draw_x(data, *, ax)``, and ``x_figure``: all with caption and text."""
