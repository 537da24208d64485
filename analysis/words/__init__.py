"""Decisions in sentences: what they cannot support is not said."""
