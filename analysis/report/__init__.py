"""From sections to a folder: the page, the files of its tables and figures, and one JSON object for scripts."""
