"""Reading a study: its cells, its arms, how complete it is, and where its numbers come from."""
