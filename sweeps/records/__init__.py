"""The record format: what a study leaves on disk, and the only thing that `analysis` reads. See results/README.md.

::

    DIR/plan.json            every planned cell, written before anything runs: `plan_record`
    DIR/cells/<hash>.json    one file per finished cell, written atomically, never edited: `cell_record`
    DIR/clips.json           a few test clips as pictures, for the report's explorer: `clip_pictures`
    DIR/clip_maps.json       attention maps of test videos that the chosen arms win and lose: `clip_pictures`
    DIR/videos.json          what the videos of each data set are like, for the rule for lambda: `data_statistics`
    DIR/predictions/         beside the records, see sweeps.predictions

`study_folder` reads and writes these files, `file_format` says what they share, and `factors` what names an arm. These
modules know JSON and files, nothing else: they must stay importable without torch and ray. One file per cell and an
atomic rename instead of a database: readers never lock, a kill never leaves half a record, and a network file system is
enough (see docs/decisions/one-file-per-cell.md).
"""
