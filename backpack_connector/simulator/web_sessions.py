"""Answer the operations that only a web session may call, for sessions that `POST /simulator/session` opens.

An API key alone is refused (API §2.2, note 2). The exchange's web site has a cookie; here a header names the session,
and scripts of other pages cannot send it. The second factor of a session is its owner's own: any token will
do, unlike for an API key, to which the exchange issues none. With which codes it refuses is not known.
Source: API §2.2 (withdrawal delays).
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from backpack_connector.protocol.errors import ErrorCode

from .accounts import Account
from .capital import MAX_DELAY_HOURS
from .capital_payloads import delay_payload
from .engine import Exchange
from .payloads import Json
from .refusals import UNAUTHORIZED, Refusal, invalid_request, not_found
from .request_forms import Payload, decode_body

SESSION_HEADER = "X-Simulator-Session"

_CONFLICT = 409
_TOKEN_BYTES = 16


class WebSessions:
    """The web sessions of one exchange, at most one of each account; they end with the process."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._tokens: dict[str, str] = {}
        self._accounts: dict[str, str] = {}
        self.operations: Mapping[str, Callable[[Account, bytes], Any]] = {
            "create_withdrawal_delay": self._create_delay,
            "get_withdrawal_delay": self._delay,
            "update_withdrawal_delay": self._update_delay,
        }

    def token(self, account: Account) -> str:
        """Return what names an account's session; the first call opens it."""
        token = self._tokens.get(account.account_id)
        if token is None:
            token = self._tokens[account.account_id] = secrets.token_urlsafe(_TOKEN_BYTES)
            self._accounts[token] = account.account_id
        return token

    def answer(self, operation_id: str, headers: Mapping[str, str], body: bytes) -> Any:
        """Return the body of an answer: None stands for status 204, an empty text for an empty body.

        Raises:   Refusal, or ParseFailure.
        """
        account_id = self._accounts.get(headers.get(SESSION_HEADER, ""))
        if account_id is None:
            raise Refusal(ErrorCode.UNAUTHORIZED, "Unauthorized", UNAUTHORIZED)
        return self.operations[operation_id](self._exchange.open_account(account_id), body)

    def _delay(self, account: Account, _: bytes) -> Json | None:
        delay = self._exchange.capital.delay(account)
        return None if delay is None else delay_payload(delay)

    def _create_delay(self, account: Account, body: bytes) -> str:
        hours = _read_request(body, "CreateWithdrawalDelayRequest")
        if self._exchange.capital.delay(account) is not None:
            raise Refusal(ErrorCode.PRECONDITION_FAILED, "Withdrawal delay already exists", _CONFLICT)
        self._exchange.capital.set_delay(account, hours)
        return ""

    def _update_delay(self, account: Account, body: bytes) -> Json | None:
        hours = _read_request(body, "UpdateWithdrawalDelayRequest")
        if self._exchange.capital.delay(account) is None:
            raise not_found()
        self._exchange.capital.set_delay(account, hours)
        return self._delay(account, body)


def _read_request(body: bytes, name: str) -> int:
    payload = Payload(decode_body(body), name)
    payload.required_text("twoFactorToken")
    return delay_hours(payload)


def delay_hours(payload: Payload) -> int:
    """Return the withdrawal delay of a body.

    Raises:   ParseFailure, or Refusal for more than a year.
    """
    hours = payload.uint32("withdrawalDelayHours")
    if hours > MAX_DELAY_HOURS:
        raise invalid_request(f"The delay must not exceed {MAX_DELAY_HOURS} hours")
    return hours
