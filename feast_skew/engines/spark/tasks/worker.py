"""The Python process that tasks run in, one after another, and what pyspark does there between them.

Both take a fifth of a second of each task, which is most of what a small one costs.
"""

from __future__ import annotations

import gc
import re
import sys
from functools import cache

_SPARKS_OWN = re.compile(r"[/\\](?:pyspark|py4j-[^/\\]*)\.zip(?:[/\\]|$)")


def spare_libraries() -> None:
    """Leave libraries out of what pyspark looks through before and after each task.

    After a task it searches for garbage, among all objects of all that is imported; before one it has all finders look again
    what there is, for which those of zip files read the whole directory of the file, once for each package in it. Spark's own
    do not change under a running worker, and without a finder Python makes one from the directory that it knows.
    """
    _freeze(len(sys.modules))
    for path in [path for path in sys.path_importer_cache if _SPARKS_OWN.search(path)]:
        del sys.path_importer_cache[path]


@cache
def _freeze(modules: int) -> None:
    """Take all there is out of the search; again only when more was imported, so that what tasks leave behind is found."""
    del modules
    gc.freeze()
