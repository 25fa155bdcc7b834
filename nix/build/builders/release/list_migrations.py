"""List a service's migrations without a database; runs inside the service's root, with its Python.

Argument: the file to write. It gets `names`, all migrations in an order that respects their dependencies; `heads`, for
each app the migrations that no other one of it depends on; `contracts`, for each migration that the code before it
could not live with, why; and `irreversible`, for each migration that Django cannot take back, why.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any


def main(target: Path) -> None:
    """List them."""
    sys.path[:0] = [str(Path.cwd()), "/runtime"]
    if os.environ.get("DJANGO_CONFIGURATION"):
        # Settings that are classes: django-configurations has to be there when their module is imported.
        importlib.import_module("configurations.importer").install()
    import django  # noqa: PLC0415 - the service's own
    from django.db import connection  # noqa: PLC0415
    from django.db.migrations.loader import MigrationLoader  # noqa: PLC0415

    # The image's own judgement; that of a deployment is the same code, asked with the database in hand.
    from estiba_runtime.migrations import _Judge, list_irreversible  # noqa: PLC0415

    django.setup()
    # With no connection nothing counts as applied, and nothing is asked of a database.
    loader = MigrationLoader(None, ignore_no_migrations=True)
    judge = _Judge(loader, connection)
    heads: dict[str, list[str]] = {}
    for app, name in loader.graph.leaf_nodes():
        heads.setdefault(app, []).append(name)
    contracts = {}
    irreversible = {}
    order = _order(loader.graph)
    for key in order:
        # Each is judged against the code before it alone: what came with an earlier one, that code knows.
        judge._new.clear()  # noqa: SLF001
        if reasons := list(judge.reasons(loader.graph.nodes[key])):
            contracts[".".join(key)] = reasons
        if reasons := list_irreversible(loader.graph.nodes[key]):
            irreversible[".".join(key)] = reasons
    names = [".".join(key) for key in order]
    listed = {"contracts": contracts, "heads": heads, "irreversible": irreversible, "names": names}
    target.write_text(json.dumps(listed, sort_keys=True))


def _order(graph: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - Django's, which is not installed where this is checked
    """Return all migrations, each after those that it depends on."""
    plan: dict[tuple[str, str], None] = {}
    for leaf in graph.leaf_nodes():
        plan.update(dict.fromkeys(graph.forwards_plan(leaf)))
    return list(plan)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
