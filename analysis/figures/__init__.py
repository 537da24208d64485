"""Figures in three steps: ``prepare_x(...) -> data``, ``draw_x(data, *, ax) -> Axes``, and the caller saves."""
