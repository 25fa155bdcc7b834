"""Numbers from Prometheus, by its HTTP API (Prometheus documentation, "HTTP API", instant queries)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests

from estiba.errors import TargetError
from estiba.publish.connection import describe_failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

WINDOW: Final = "{window}"
"""What stands for the length of the period in a query."""

_TIMEOUT: Final = 10.0
_SHORTEST: Final = 60
"""Least length of a period in seconds: `increase` needs two samples, and most servers scrape twice a minute or less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """Prometheus server.

    Attributes:
        url: Base URL.
    """

    url: str

    def count(self, query: str, *, since: datetime, until: datetime) -> float:
        """Return the value of a query over a period.

        Args:
            query: PromQL with `{window}` for the length of the period, which gives one value.
            since: Start of the period.
            until: End of the period.

        Raises:
            TargetError: The server cannot be reached, refuses the query, or has no data about it.
        """
        seconds = max(round((until - since).total_seconds()), _SHORTEST)
        asked = {"query": query.replace(WINDOW, f"{seconds}s"), "time": str(until.timestamp())}
        try:
            body = requests.post(f"{self.url.rstrip('/')}/api/v1/query", data=asked, timeout=_TIMEOUT).json()
        except requests.JSONDecodeError as error:
            msg = "Prometheus answers no JSON"
            raise TargetError(msg, hint="`prometheus` in [tool.estiba.release.watch] is its base URL") from error
        except (requests.RequestException, ValueError) as error:
            msg = f"Prometheus cannot be asked: {describe_failure(error)}"
            raise TargetError(msg, hint="`prometheus` in [tool.estiba.release.watch] is its base URL") from error
        if body.get("status") != "success":
            msg = f"Prometheus refuses {query!r}: {body.get('error', 'without a reason')}"
            raise TargetError(msg)
        return _read(body.get("data", {}), query)


def _read(data: Mapping[str, Any], query: str) -> float:
    found = data.get("result") or []
    values = [found] if data.get("resultType") == "scalar" else [one["value"] for one in found if "value" in one]
    if len(values) > 1:
        msg = f"Prometheus has {len(values)} values for {query!r}"
        raise TargetError(msg, hint="a query gives one value, such as sum(increase(NAME[{window}]))")
    number = float(values[0][1]) if values else math.nan
    if math.isnan(number):
        msg = f"Prometheus has no data for {query!r}"
        raise TargetError(msg)
    return number
