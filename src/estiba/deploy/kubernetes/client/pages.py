"""Pages below the public address of a service, as its users ask for them."""

from __future__ import annotations

import time
from typing import Final

import requests

from estiba.publish import connection

_REFUSAL: Final = 400
_REDIRECTION: Final = 300
_TIMEOUT: Final = 10.0
_TRIES: Final = 5


def find_problem(url: str) -> str:
    """Return what is wrong with a page, or an empty string; a load balancer may need some seconds to know new pods."""
    problem = ""
    for _ in range(_TRIES):
        try:
            # Of the answer only the head is read.
            answer = requests.get(url, timeout=_TIMEOUT, allow_redirects=False, stream=True)
            answer.close()
        except requests.RequestException as error:
            problem = f"does not answer: {connection.describe_failure(error)}"
        else:
            if answer.status_code < _REDIRECTION:
                return ""
            if answer.status_code < _REFUSAL and answer.headers.get("Location", "").partition("?")[0] != url:
                # Only one to itself is no answer, as of a service that does not see that it is asked by HTTPS.
                return ""
            problem = f"answers {answer.status_code}"
        time.sleep(1)
    return problem
