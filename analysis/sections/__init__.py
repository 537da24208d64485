"""The sections of the report, one object in one file each; `analysis.sections.catalogue` lists them."""
