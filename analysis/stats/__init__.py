"""Statistics on paired seeds: arrays in, frozen results out; `paired.PairedComparison` takes and returns a table."""
