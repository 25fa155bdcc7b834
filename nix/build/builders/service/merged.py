"""Builder: a service's files with its compiled message catalogues among them."""

from pathlib import Path

import attrs
import overlay


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    for source in (given["source"], given["catalogues"]):
        overlay.fill(attrs.output(given), Path(source))


if __name__ == "__main__":
    main()
