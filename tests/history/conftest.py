"""What the folders of tests share is found here: test files are collected by path and are no package."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
