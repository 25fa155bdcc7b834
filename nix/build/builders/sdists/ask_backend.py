"""Call one hook of an sdist's build backend (PEP 517); runs inside the build root, in the sdist's folder.

Argument: the folder with `question.json`, in which `answer.json` is written.
"""

import json
import sys
from pathlib import Path
from typing import Any

from build_wheel import load_backend


def ask(backend: Any, hook: str, target: Path) -> dict[str, Any]:  # noqa: ANN401 - backends share no type
    """Return what a hook answers: `requires`, or `metadata`, which is empty where there is no such hook."""
    if hook == "requires":
        found = getattr(backend, "get_requires_for_build_wheel", None)
        return {"requires": list(found()) if found else []}
    prepare = getattr(backend, "prepare_metadata_for_build_wheel", None)
    if prepare is None:
        return {"metadata": ""}
    target.mkdir()
    return {"metadata": (target / prepare(str(target)) / "METADATA").read_text(encoding="utf-8")}


def main(folder: Path) -> None:
    """Answer the question."""
    question = json.loads((folder / "question.json").read_text())
    backend = load_backend(Path.cwd(), question["backend"], question["backend_path"])
    answer = ask(backend, question["hook"], folder / "metadata")
    (folder / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
