"""Statistics over paired seeds: arrays in, numbers out; a running sweep and a report use the same ones."""
