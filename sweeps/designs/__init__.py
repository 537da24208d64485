"""Which arms a study plans, and why each of them: one file for each design, `registry.DESIGNS` lists them."""
