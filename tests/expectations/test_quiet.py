"""Rules need no network, and say nothing outside of the report."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import os, pathlib, socket, sys, tempfile

def forbidden(*_, **__):
    raise AssertionError("a socket was opened")

class Forbidden(socket.socket):
    __init__ = forbidden

socket.socket = Forbidden
socket.create_connection = socket.getaddrinfo = forbidden
from worlds import METRICS, VALUES, feature, held, rows, rule, write
import numpy as np, pyarrow as pa

folder = pathlib.Path(tempfile.mkdtemp())
write(folder, "rates", VALUES, rule("expect_column_values_to_be_between", column="rate", max_value=1))
write(folder, "limits", METRICS, rule("expect_feature_psi_to_be_at_most", max_value=0.1))
found = held(folder, rows(), rows(rate=pa.array(np.linspace(0, 1000, 200))), feature("rate", psi=9.0))
assert [finding.code for finding in found.findings] == ["FS301", "FS304"], found.findings
write(folder, "rates", VALUES, rule("expect_column_values_to_be_between", column="city", max_value=1))
try:
    held(folder, rows(), rows())
except Exception as error:
    assert type(error).__name__ == "ConfigError"
else:
    raise AssertionError("no error")
import great_expectations.data_context
assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
assert not [name for name in os.listdir(".")]
"""


def test_no_socket_no_output_no_files(tmp_path: Path) -> None:
    paths = os.pathsep.join([str(Path(__file__).parent), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONWARNINGS": "default"}
    environment.pop("GX_ANALYTICS_ENABLED", None)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM],
        cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stdout
    assert not done.stderr
