"""Say what goes wrong as an HTTP status and one sentence.

400: the question is wrong. 404: there is no such market or path. 502: the exchange is out of reach, or says what cannot
be read. 503: it is in maintenance, or asked more often than it allows; a later try may help.
"""

from backpack_connector.protocol.errors import (
    BackpackError,
    NoAnswer,
    RateLimited,
    Refused,
    RequestError,
    Unavailable,
)

BAD_REQUEST, NOT_FOUND, BAD_GATEWAY, UNAVAILABLE = 400, 404, 502, 503
RETRY_AFTER_S = 5.0
"""What is said when nobody knows better."""


class Problem(BackpackError):
    """Why a question has no answer, as the service says it."""

    def __init__(self, status: int, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after_s = retry_after_s


def problem_of(error: BackpackError) -> Problem:
    """Return what is said about an error; each who asks gets one of its own."""
    if isinstance(error, Problem):
        return Problem(error.status, error.message, error.retry_after_s)
    if isinstance(error, RateLimited) or (isinstance(error, Unavailable) and error.status == UNAVAILABLE):
        reason = "is asked more often than it allows" if isinstance(error, RateLimited) else "is not available"
        return Problem(UNAVAILABLE, f"The exchange {reason}; try again later.", error.retry_after_s or RETRY_AFTER_S)
    if isinstance(error, NoAnswer):
        return Problem(BAD_GATEWAY, "The exchange cannot be reached, or did not answer in time.")
    if isinstance(error, Refused):
        return Problem(BAD_GATEWAY, f"The exchange refused to answer: {error.message}")
    if isinstance(error, RequestError):
        return Problem(BAD_GATEWAY, f"The exchange answered with an error ({error.status}).")
    return Problem(BAD_GATEWAY, "The exchange gave an answer that cannot be read.")
