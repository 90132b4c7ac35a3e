"""The worked examples of the rules, by section."""

import json
from pathlib import Path
from typing import Any

CASES: dict[str, list[Any]] = json.loads((Path(__file__).parent / "credibility.json").read_text())
