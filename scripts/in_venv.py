"""Imported first by a script, this runs the script again in the checkout's .venv, and installs that if needed."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv/bin/python"

if Path(sys.prefix) != ROOT / ".venv":
    subprocess.run([ROOT / "scripts/install"], check=True)
    os.execv(PYTHON, [str(PYTHON), *sys.argv])
