"""Environment variables that a service describes itself: `env.schema.json` in its folder, a JSON Schema.

Of the schema these keywords count: `properties`, `required`, also below `then` (what production adds), `default`,
`writeOnly` for secrets, and `x-extra`, the extra that a variable switches on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE: Final = "env.schema.json"
_INSTEAD: Final = "it belongs into a Secret that `secrets` names"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSchema:
    """Environment variables of a service.

    Attributes:
        descriptions: What each variable is for, by its name.
        required: Names of those that production cannot do without.
        secrets: Names of those that nobody may read.
        extras: Names of those that switch on an extra of the service (`x-extra`), each with that.
    """

    descriptions: Mapping[str, str]
    required: tuple[str, ...]
    secrets: frozenset[str]
    extras: Mapping[str, str] = field(default_factory=dict)

    def find_problems(self, plain: Mapping[str, Any]) -> list[str]:
        """Return one sentence for each variable that is set in the open and must not be."""
        return [
            f"'env.{name}' is a secret (`writeOnly` in {FILE}): {_INSTEAD}" for name in plain if name in self.secrets
        ]


def load(folder: Path) -> EnvironmentSchema | None:
    """Read the schema in the folder of a service; None where it has none.

    Raises:
        ConfigError: The file is no such schema.
    """
    try:
        schema = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConfigError(FILE, [f"is not JSON: {error}"]) from error
    try:
        return _parse(schema)
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(FILE, ["is no JSON Schema of an object with 'properties'"]) from error


def _parse(schema: Mapping[str, Any]) -> EnvironmentSchema:
    rules = schema["properties"].items()
    return EnvironmentSchema(
        descriptions={name: str(rule.get("description", "")) for name, rule in rules},
        required=tuple(dict.fromkeys([*schema.get("required", []), *schema.get("then", {}).get("required", [])])),
        secrets=frozenset(name for name, rule in rules if rule.get("writeOnly")),
        extras={name: str(rule["x-extra"]) for name, rule in rules if "x-extra" in rule},
    )
