"""Environment variables as `env.schema.json` describes them: read, checked, and refused all at once."""

import importlib.util
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

FILE = Path(__file__).resolve().parent.parent / "env.schema.json"
SCHEMA: Mapping[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class Environment:
    """Variables by their names, with defaults; None or an empty list for those that are unset.

    `problems` has a sentence for each that is missing or wrong, without the values of secrets.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.problems: list[str] = []
        self.values: dict[str, Any] = {}
        # The first one: it decides what the others have to be.
        self.is_production = True
        for name, rule in SCHEMA["properties"].items():
            # A file that is mounted as a variable often ends in a newline.
            self.values[name] = self._read(name, self._complete(name, rule), variables.get(name, "").strip())
            self.is_production = self.values["ENVIRONMENT"] not in {"development", "build"}
        for name, others in SCHEMA["dependentRequired"].items():
            for other in others:
                if self.values[name] and not self.values[other]:
                    self.problems.append(f"{other} is missing, which {name} needs: {_describe(other)}")

    def __getitem__(self, name: str) -> Any:
        """Return the value of a variable."""
        return self.values[name]

    def check(self) -> None:
        """Raise one error that lists every problem."""
        if self.problems:
            raise ImproperlyConfigured("unusable environment:" + "".join(f"\n  - {line}" for line in self.problems))

    def _complete(self, name: str, rule: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the rule of a variable with what production adds."""
        if not self.is_production:
            return {**rule, "default": rule.get("x-outside-production", rule.get("default", ""))}
        return {**rule, **SCHEMA["then"]["properties"].get(name, {}), "required": name in SCHEMA["then"]["required"]}

    def _read(self, name: str, rule: Mapping[str, Any], text: str) -> Any:
        """Return the value in a text, and note what is wrong with it."""
        if not text and rule.get("required"):
            self.problems.append(f"{name} is missing: {rule['description']}")
        elif text and rule.get("x-module") and not _is_installed(rule["x-module"]):
            self.problems.append(
                f"{name} needs the extra {rule['x-extra']!r}: add it to `extras` in [tool.estiba], lock and build"
            )
        value = _parse(text or rule.get("default", ""), rule)
        if text and not _is_valid(value, rule):
            shown = "" if rule.get("writeOnly") else f" {text!r},"
            self.problems.append(f"{name} is{shown} not {_expect(rule)}")
        return value


def _describe(name: str) -> str:
    return str(SCHEMA["properties"][name]["description"])


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _parse(text: str, rule: Mapping[str, Any]) -> Any:
    """Return a text as the type of its rule; what cannot be read stays a text, which is not valid."""
    match rule.get("type"):
        case "array":
            return [part.strip() for part in text.split(",") if part.strip()]
        case "boolean":
            return FLAGS.get(text.lower(), text)
        case "integer":
            return int(text) if re.fullmatch(r"-?\d{1,9}", text) else text
        case _:
            return text or None


def _is_valid(value: Any, rule: Mapping[str, Any]) -> bool:
    """Tell whether a value is as its rule says, with the keywords of JSON Schema that `env.schema.json` uses."""
    types = {"array": list, "boolean": bool, "integer": int}
    tests = {
        "const": lambda wanted: value == wanted,
        "enum": lambda wanted: value in wanted,
        "items": lambda items: all(_is_valid(item, items) for item in value),
        "maximum": lambda most: value <= most,
        "minimum": lambda least: value >= least,
        "minItems": lambda least: len(value) >= least,
        "minLength": lambda least: len(value) >= least,
        "pattern": lambda pattern: re.search(pattern, value) is not None,
    }
    if type(value) is not types.get(rule.get("type", "string"), str):
        return False
    return all(test(rule[keyword]) for keyword, test in tests.items() if keyword in rule)


def _expect(rule: Mapping[str, Any]) -> str:
    """Say what a value should be."""
    limits = f"from {rule.get('minimum')} to {rule['maximum']}" if "maximum" in rule else f"from {rule.get('minimum')}"
    words = {"boolean": "true or false", "integer": f"a whole number {limits}"}
    listed = "one of " + ", ".join(rule.get("enum", ()))
    return str(rule.get("x-expected") or words.get(rule.get("type", ""), listed))
