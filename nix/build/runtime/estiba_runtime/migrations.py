"""The migrations that a database lacks, and what in them the release that is still served cannot live with.

While a release is replaced, and after a rollback, old code meets the new schema. What only adds can be applied then;
what drops, renames or demands has to wait until no release needs it any more ("expand and contract", also known as
parallel change). Django's operations say which is which; SQL is searched for statements that drop, rename and demand.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from estiba_runtime import databases
from estiba_runtime.failure import EX_DATAERR, EX_USAGE, StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SQL: Final = re.compile(
    r"\bDROP\s+(?:TABLE|COLUMN|(?:MATERIALIZED\s+)?VIEW|TYPE|SCHEMA|SEQUENCE|FUNCTION|PROCEDURE)\b|\bRENAME\b|\bSET\s+NOT\s+NULL\b|\bALTER\s+(?:COLUMN\s+)?\S+\s+(?:SET\s+DATA\s+)?TYPE\b",
    re.IGNORECASE,
)
_ALTER: Final = re.compile(r"\bALTER\s+TABLE\b[^;]*", re.IGNORECASE)
_PART: Final = (
    # The word COLUMN may be left out; what else a table has goes without harm.
    re.compile(
        r"\bDROP\s+(?!(?:COLUMN|CONSTRAINT|DEFAULT|NOT|IDENTITY|EXPRESSION|INDEX|KEY|FOREIGN|PRIMARY|CHECK|PARTITION)\b)"
        r"(?:IF\s+EXISTS\s+)?[^\s,]+",
        re.IGNORECASE,
    ),
    re.compile(
        r"\bADD\s+(?:COLUMN\s+)?(?!(?:CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE|INDEX|KEY|PARTITION)\b)"
        r"(?:(?!\b(?:DEFAULT|GENERATED|IDENTITY|(?:BIG|SMALL)?SERIAL)\b)(?:\([^)]*\)|[^,(]))*?\bNOT\s+NULL\b"
        r"(?!(?:\([^)]*\)|[^,(])*\b(?:DEFAULT|GENERATED)\b)",
        re.IGNORECASE,
    ),
)
"""Parts of `ALTER TABLE` that take a column away, or demand a value for a new one."""
_RANKS: Final = {"smallserial": 1, "smallint": 1, "serial": 2, "integer": 2, "bigserial": 3, "bigint": 3}
"""Types of whole numbers; one holds all that one of a lower rank holds."""

_Django: TypeAlias = Any
"""An object of Django's, which is not installed where this is checked."""


def pending(alias: str) -> list[dict[str, Any]]:
    """Return the migrations that a database lacks, in their order, by `name`.

    `contracts` says what of a migration the code before it cannot live with, `irreversible` what of it cannot be taken
    back.

    Args:
        alias: The database's name in the settings.

    Raises:
        StartError: The settings cannot be loaded.
    """
    connection = databases.open_django(alias)
    executor = importlib.import_module("django.db.migrations.executor").MigrationExecutor(connection)
    loader = executor.loader
    judge = _Judge(loader, connection)
    plan = executor.migration_plan(loader.graph.leaf_nodes())
    return [
        {
            "contracts": list(judge.reasons(migration)),
            "irreversible": list_irreversible(migration),
            "name": f"{migration.app_label}.{migration.name}",
        }
        for migration, _ in plan
    ]


def list_irreversible(migration: _Django) -> list[str]:
    """Return the operations of a migration that Django cannot take back, as Django describes them."""
    return list(_find_irreversible(migration.operations))


def reversed_by(alias: str, targets: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return the migrations that `manage.py migrate` to some targets takes back, in that order.

    Args:
        alias: The database's name in the settings.
        targets: App label and name of a migration, or the start of its name, or `zero`.

    Returns:
        `name` and `irreversible` of each; see `pending`.

    Raises:
        StartError: The settings cannot be loaded, or there is no such migration.
    """
    connection = databases.open_django(alias)
    executor = importlib.import_module("django.db.migrations.executor").MigrationExecutor(connection)
    plan = executor.migration_plan([_find(executor.loader, app, name) for app, name in targets])
    connection.close()
    return [
        {"irreversible": list_irreversible(migration), "name": f"{migration.app_label}.{migration.name}"}
        for migration, is_backwards in plan
        if is_backwards
    ]


def refuse_irreversible(alias: str, app: str, name: str) -> None:
    """Refuse a way back that Django would leave half way, at the first migration that it cannot take back.

    Raises:
        StartError: There is one among those that would be taken back, or as for `reversed_by`.
    """
    for one in reversed_by(alias, [(app, name)]):
        if one["irreversible"]:
            message = f"{one['name']} cannot be taken back ({'; '.join(one['irreversible'])}), so nothing was"
            raise StartError(message, EX_DATAERR)


def find_sql(text: str) -> list[str]:
    """Return what SQL says that the code before it cannot live with, with single spaces."""
    found = [*_SQL.finditer(text)]
    for table in _ALTER.finditer(text):
        found += [part for pattern in _PART for part in pattern.finditer(table[0])]
    return [" ".join(one[0].split()) for one in found]


def _find(loader: _Django, app: str, name: str) -> tuple[str, str | None]:
    if name == "zero":
        return app, None
    ambiguity = importlib.import_module("django.db.migrations.exceptions").AmbiguityError
    try:
        found = loader.get_migration_by_prefix(app, name)
    except (KeyError, ambiguity) as error:
        message = f"there is no migration {name!r} of {app!r}, or more than one starts like that"
        raise StartError(message, EX_USAGE) from error
    return found.app_label, found.name


def _find_irreversible(operations: list[_Django]) -> Iterator[str]:
    for operation in operations:
        # Django takes SeparateDatabaseAndState for reversible, whatever is in it, and fails half way.
        yield from _find_irreversible(getattr(operation, "database_operations", []))
        if not operation.reversible:
            yield operation.describe()


class _Judge:
    """Goes through migrations in their order, with the models as they are before each operation."""

    def __init__(self, loader: _Django, connection: _Django) -> None:
        applied = [key for key in loader.applied_migrations if key in loader.graph.nodes]
        self._state = loader.project_state(applied)
        self._connection = connection
        self._app = ""
        # The release that is served knows nothing of these, so all may be done with them.
        self._new: set[tuple[str, str]] = set()
        self._rules: dict[str, Callable[[Any], Iterator[str]]] = {
            "AddConstraint": self._add_constraint,
            "AddField": self._add_field,
            "AlterField": self._alter_field,
            "AlterModelTable": self._alter_table,
            "AlterOrderWithRespectTo": self._alter_order,
            "AlterUniqueTogether": self._alter_unique,
            "CreateModel": self._create_model,
            "DeleteModel": self._delete_model,
            "RemoveField": self._remove_field,
            "RenameField": self._rename_field,
            "RenameModel": self._rename_model,
            "RunSQL": self._run_sql,
        }

    def reasons(self, migration: _Django) -> Iterator[str]:
        """Yield what a migration takes from the code before it."""
        self._app = migration.app_label
        for operation in migration.operations:
            if hasattr(operation, "database_operations"):
                yield from self._parts(operation.database_operations)
            else:
                yield from self._judge(operation)
            operation.state_forwards(self._app, self._state)

    def _parts(self, operations: list[_Django]) -> Iterator[str]:
        """Judge what is done to the database alone, and forget the models that come of it."""
        before = self._state
        self._state = before.clone()
        for operation in operations:
            yield from self._judge(operation)
            operation.state_forwards(self._app, self._state)
        self._state = before

    def _judge(self, operation: _Django) -> Iterator[str]:
        # Subclasses, such as those of django.contrib.postgres, are judged as what they extend.
        names = [kind.__name__ for kind in type(operation).__mro__]
        rule = next((self._rules[name] for name in names if name in self._rules), None)
        if not self._is_new(operation):
            yield from rule(operation) if rule else ()
        elif "RenameModel" in names:
            self._new.add((self._app, operation.new_name.lower()))

    def _is_new(self, operation: _Django) -> bool:
        model = getattr(operation, "model_name", None) or getattr(operation, "name", None)
        return isinstance(model, str) and (self._app, model.lower()) in self._new

    def _model(self, name: str) -> _Django:
        return self._state.models[self._app, name.lower()]

    def _label(self, *names: str) -> str:
        return ".".join((self._app, *names))

    def _create_model(self, operation: _Django) -> Iterator[str]:
        self._new.add((self._app, operation.name.lower()))
        yield from ()

    def _delete_model(self, operation: _Django) -> Iterator[str]:
        options = self._model(operation.name).options
        if options.get("managed", True) and not options.get("proxy"):
            yield f"drops the table of {self._label(operation.name)}"

    def _rename_model(self, operation: _Django) -> Iterator[str]:
        if not self._model(operation.old_name).options.get("db_table"):
            yield f"renames the table of {self._label(operation.old_name)}"

    def _alter_table(self, operation: _Django) -> Iterator[str]:
        if (self._model(operation.name).options.get("db_table") or None) != (operation.table or None):
            yield f"renames the table of {self._label(operation.name)}"

    def _add_field(self, operation: _Django) -> Iterator[str]:
        if _demands(operation.field):
            label = self._label(operation.model_name, operation.name)
            yield f"demands a value for {label}, which is neither null nor has a db_default"

    def _remove_field(self, operation: _Django) -> Iterator[str]:
        yield f"drops {self._label(operation.model_name, operation.name)}"

    def _rename_field(self, operation: _Django) -> Iterator[str]:
        field = self._model(operation.model_name).fields[operation.old_name]
        if not field.db_column or field.many_to_many:
            yield f"renames {self._label(operation.model_name, operation.old_name)}"

    def _alter_field(self, operation: _Django) -> Iterator[str]:
        old, new = self._model(operation.model_name).fields[operation.name], operation.field
        label = self._label(operation.model_name, operation.name)
        if (old.db_column or None) != (new.db_column or None):
            yield f"renames the column of {label}"
        if old.null and not new.null:
            yield f"forbids null in {label}"
        if _has_default(old) and _demands(new):
            yield f"takes the database's default of {label} away"
        if _is_unique(new) and not _is_unique(old):
            yield f"demands that {label} is unique"
        before, after = (_describe(field, self._connection) for field in (old, new))
        if not _holds(after, before):
            yield f"changes the type of {label} from {before} to {after}"

    def _alter_order(self, operation: _Django) -> Iterator[str]:
        before = bool(self._model(operation.name).options.get("order_with_respect_to"))
        if before != bool(operation.order_with_respect_to):
            # A column of Django's own, without a default in the database.
            yield f"{'drops' if before else 'demands a value for'} {self._label(operation.name)}._order"

    def _alter_unique(self, operation: _Django) -> Iterator[str]:
        # Both are None where the option was taken away.
        known = {tuple(one) for one in self._model(operation.name).options.get("unique_together") or ()}
        for one in sorted({tuple(one) for one in operation.unique_together or ()} - known):
            yield f"demands that {', '.join(one)} of {self._label(operation.name)} are unique together"

    def _add_constraint(self, operation: _Django) -> Iterator[str]:
        yield f"adds the constraint {operation.constraint.name} to {self._label(operation.model_name)}"

    def _run_sql(self, operation: _Django) -> Iterator[str]:
        given = operation.sql if isinstance(operation.sql, list | tuple) else [operation.sql]
        statements = (one if isinstance(one, str) else one[0] for one in given)
        yield from (f"runs SQL that says {said}" for said in find_sql(";\n".join(statements)))


def _demands(field: _Django) -> bool:
    """Tell whether code that does not know a field can write no row: Django leaves no default in the column."""
    return not (field.null or field.many_to_many or _has_default(field) or getattr(field, "generated", False))


def _has_default(field: _Django) -> bool:
    missing = importlib.import_module("django.db.models.fields").NOT_PROVIDED
    return getattr(field, "db_default", missing) is not missing


def _is_unique(field: _Django) -> bool:
    return bool(field.unique or field.primary_key)


def _describe(field: _Django, connection: _Django) -> str:
    """Return a field's type in the database; a reference's is what it refers to."""
    if field.remote_field:
        return f"a reference to {field.remote_field.model}".lower()
    return str(field.db_type(connection))


def _holds(new: str, old: str) -> bool:
    """Tell whether all that a column of the old type holds can stay, and be written, in one of the new type."""
    if new == old:
        return True
    if new in _RANKS and old in _RANKS:
        return _RANKS[new] >= _RANKS[old]
    return _length(new) > _length(old) > 0


def _length(kind: str) -> float:
    """Return how many characters a type holds; 0 where it holds something else."""
    if kind in {"text", "varchar"}:
        return float("inf")
    found = re.fullmatch(r"varchar\((\d+)\)", kind)
    return int(found[1]) if found else 0
