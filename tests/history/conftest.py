"""What the folders of tests share is found here, and both databases that a history is tried with."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from servers.databases import postgres, url  # noqa: F401
