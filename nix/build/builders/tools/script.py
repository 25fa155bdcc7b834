"""Builder: one Python program with the interpreter that it is to run with, and its settings beside it."""

import json
from pathlib import Path

import attrs


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    program = attrs.output(given) / "bin" / given["name"]
    program.parent.mkdir(parents=True)
    program.write_bytes(b"#!" + given["python"].encode() + b"\n" + Path(given["script"]).read_bytes())
    program.chmod(0o755)
    if "settings" in given:
        (attrs.output(given) / "settings.json").write_text(
            json.dumps(given["settings"], sort_keys=True, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
