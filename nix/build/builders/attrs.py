"""What Nix hands to a builder: the derivation's attributes as JSON (Nix manual, "structured attributes")."""

import gc
import json
import os
from pathlib import Path
from typing import Any


def load() -> dict[str, Any]:
    """Read the attributes of the derivation that runs this builder."""
    # What a builder loads stays until its end, which is near.
    gc.disable()
    attrs: dict[str, Any] = json.loads(Path(os.environ["NIX_ATTRS_JSON_FILE"]).read_text())
    return attrs


def output(attrs: dict[str, Any], name: str = "out") -> Path:
    """Return where one of the derivation's outputs goes."""
    return Path(attrs["outputs"][name])
