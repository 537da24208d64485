"""Where arms come from."""
