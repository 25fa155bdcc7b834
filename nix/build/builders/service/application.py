"""Builder: the service's own files with their bytecode, its collected static files, and a layer of each.

All come from one derivation: they change together, and a changed line waits for each step of a chain.
"""

from pathlib import Path
from typing import Any

import attrs
import stand_ins
from static_files import Collecting


def collect(given: dict[str, Any]) -> Collecting | None:
    """Start to collect the static files, if the service has any."""
    if not given["static"]:
        return None
    application = Path(given["application"])
    return Collecting(
        attrs.output(given, "static"),
        {**given["static"], "catalogues": given["catalogues"]},
        application=application,
        compiler=given["compiler"],
    )


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    stand_ins.refuse(Path(given["application"]))
    collecting = collect(given)
    # That takes longest, so it need not wait for the rest to be imported.
    import service_files  # noqa: PLC0415

    out = attrs.output(given)
    service_files.install(Path(given["application"]), out, given["compiler"], catalogues=given["catalogues"])
    service_files.write_layer(out, attrs.output(given, "layer"), given["layer"])
    if collecting:
        static = given["static"]
        service_files.write_layer(collecting.finish(), attrs.output(given, "static_layer"), static["layer"])


if __name__ == "__main__":
    main()
