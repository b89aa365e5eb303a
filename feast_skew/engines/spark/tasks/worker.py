"""The Python process that tasks run in, one after another."""

from __future__ import annotations

import gc
import sys
from functools import cache


def spare_modules() -> None:
    """Leave what is imported out of the search for garbage that pyspark starts after each task.

    The search goes through all objects of all libraries, a fifth of a second each time, which is most of what a small task
    costs. Again only when more was imported, so that what tasks leave behind is still found.
    """
    _freeze(len(sys.modules))


@cache
def _freeze(modules: int) -> None:
    del modules
    gc.freeze()
