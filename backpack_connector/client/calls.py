"""Call an operation with checked parameters: repeated only where that is safe, and read into the catalogue's types."""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from backpack_connector.protocol.endpoints import Endpoint, endpoint
from backpack_connector.protocol.errors import (
    ConfigurationError,
    NoAnswer,
    OutcomeUnknown,
    RateLimited,
    RequestError,
    Unavailable,
    WireFormatError,
)
from backpack_connector.protocol.operations import answer_problem, checked_fields, checked_orders, read_result
from backpack_connector.protocol.rest import Parameters
from backpack_connector.reconnect import Backoff

from .market_rules import HELD_TO_MARKETS, MarketRules

ATTEMPTS = 3
"""How often a question is asked before its failure is told."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0

_REPEATABLE = (NoAnswer, Unavailable, RateLimited)


class OperationCalls:
    """What the typed methods of the client stand on.

    Rule 1: a parameter that the exchange would not take is refused before anything is sent, with one sentence.
    Rule 2: a request that reads is asked up to `attempts` times, with growing pauses, when no usable answer comes.
    Rule 3: a request that changes something is sent once. If what became of it is not known, that is what is raised:
            OutcomeUnknown, whatever the reason.
    """

    attempts: int = ATTEMPTS
    market_rules: MarketRules
    """The filters of the markets that answers have told of; new orders are held to them."""
    sleep: Callable[[float], Awaitable[None]] = staticmethod(asyncio.sleep)

    @abstractmethod
    async def request(
        self,
        operation_id: str,
        parameters: Parameters = None,
        *,
        headers: dict[str, str] | None = None,
        answer_headers: dict[str, str] | None = None,
    ) -> Any:
        """Send one request and return the decoded answer."""

    async def call(
        self,
        operation_id: str,
        given: "Mapping[str, Any] | Sequence[Mapping[str, Any]] | None" = None,
        *,
        answer_headers: dict[str, str] | None = None,
        is_raw: bool = False,
    ) -> Any:
        """Return what an operation answers, as the type that the catalogue states for it.

        Shape:    parameters by their names on the wire or in Python; for a batch a list of such sets. `is_raw` returns
                  the JSON as it came, after it has been read.
        Raises:   ConfigurationError before anything is sent; OutcomeUnknown; RequestError by meaning;
                  WireFormatError for an answer to a question that cannot be read.
        """
        row = endpoint(operation_id)
        fields = self.checked(operation_id, given)
        if row.is_safe_to_repeat:
            answer = await self._ask(row, fields, answer_headers)
            result = read_result(operation_id, answer)
            self.market_rules.learn(result)
            return answer if is_raw else result
        return await self._act(row, fields, is_raw=is_raw)

    def checked(self, operation_id: str, given: "Mapping[str, Any] | Sequence[Mapping[str, Any]] | None" = None) -> Any:
        """Return the parameters of a request as the wire carries them.

        Raises:   ConfigurationError with one sentence for what the exchange would not take.
        """
        if endpoint(operation_id).is_batch:
            fields: Any = checked_orders(() if given is None or isinstance(given, Mapping) else given)
        elif given is None or isinstance(given, Mapping):
            fields = checked_fields(operation_id, given or {})
        else:
            raise ConfigurationError(f"{operation_id} takes one set of parameters, not a list.")
        if operation_id in HELD_TO_MARKETS:
            for order in fields if isinstance(fields, list) else [fields]:
                self.market_rules.check(operation_id, order)
        return fields

    async def learn_markets(self) -> None:
        """Ask for the rules of all markets, so that new orders are held to tick, step and bounds before they leave."""
        await self.call("get_markets")

    async def _ask(self, row: Endpoint, fields: Any, answer_headers: dict[str, str] | None) -> Any:
        pauses = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        for _ in range(self.attempts - 1):
            try:
                return await self.request(row.operation_id, fields, answer_headers=answer_headers)
            except _REPEATABLE:
                await self.sleep(pauses.next_pause_s())
        return await self.request(row.operation_id, fields, answer_headers=answer_headers)

    async def _act(self, row: Endpoint, fields: Any, *, is_raw: bool) -> Any:
        try:
            answer = await self.request(row.operation_id, fields)
            result = read_result(row.operation_id, answer)
        except RequestError as error:
            # An error about another operation is one about the time, which is asked before anything is sent.
            if error.outcome_known or error.operation != row.operation_id:
                raise
            raise _unknown(row, str(error.message), error) from error
        except WireFormatError as error:
            if not str(error).startswith(row.operation_id):
                raise
            raise _unknown(row, str(error), None) from error
        problem = answer_problem(row.operation_id, fields, result)
        if problem is not None:
            raise _unknown(row, f"the answer is not the one to this request: {problem}", None)
        return answer if is_raw else result


def _unknown(row: Endpoint, reason: str, error: RequestError | None) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{reason}; it may have been executed, so look before you repeat it",
        operation=row.operation_id,
        status=None if error is None else error.status,
        code=None if error is None else error.code,
        retry_after_s=None if error is None else error.retry_after_s,
    )
