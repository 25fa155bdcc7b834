"""Numbers from Prometheus, by its HTTP API (Prometheus documentation, "HTTP API", instant queries)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests

from estiba import responses
from estiba.errors import TargetError
from estiba.publish.connection import describe_failure

if TYPE_CHECKING:
    from datetime import datetime

WINDOW: Final = "{window}"
"""What stands for the length of the period in a query."""

_ONE: Final = "a query gives one value, such as sum(increase(NAME[{window}]))"
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
            url = f"{self.url.rstrip('/')}/api/v1/query"
            body = responses.bound(requests.post(url, data=asked, timeout=_TIMEOUT, stream=True)).json()
        except requests.JSONDecodeError as error:
            msg = "Prometheus answers no JSON"
            raise TargetError(msg, hint="`prometheus` in [tool.estiba.release.watch] is its base URL") from error
        except (requests.RequestException, ValueError) as error:
            msg = f"Prometheus cannot be asked: {describe_failure(error)}"
            raise TargetError(msg, hint="`prometheus` in [tool.estiba.release.watch] is its base URL") from error
        if not isinstance(body, dict) or body.get("status") != "success":
            said = body.get("error", "without a reason") if isinstance(body, dict) else "it answers no object"
            msg = f"Prometheus refuses {query!r}: {said}"
            raise TargetError(msg)
        return _read(body.get("data"), query)


def _read(data: Any, query: str) -> float:  # noqa: ANN401 - what a server says
    try:
        found, is_scalar = data["result"], data["resultType"] == "scalar"
        # Neither a range, nor a text, nor a native histogram is one number.
        numbers = [float(text) for _, text in ([found] if is_scalar else [one["value"] for one in found])]
    except (KeyError, TypeError, ValueError) as error:
        msg = f"Prometheus answers {query!r} with something else than a number"
        raise TargetError(msg, hint=_ONE) from error
    if len(numbers) > 1:
        msg = f"Prometheus has {len(numbers)} values for {query!r}"
        raise TargetError(msg, hint=_ONE)
    # A division by zero is no data either.
    if not numbers or not math.isfinite(numbers[0]):
        msg = f"Prometheus has no data for {query!r}"
        raise TargetError(msg)
    return numbers[0]
