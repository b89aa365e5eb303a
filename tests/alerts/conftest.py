"""Real servers that take messages, and runs that are kept without a store being read."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
