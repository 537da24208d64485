"""Reading the results of other tools: one file for each kind of store, all giving the same table of runs."""
