"""Rules that end a cell early."""
