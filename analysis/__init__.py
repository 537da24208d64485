"""Aggregates what `sweeps` records into tables, figures, verdicts and the report; needs neither torch nor ray nor vmp."""
