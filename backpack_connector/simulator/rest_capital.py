"""Answer the signed REST operations that move money in and out, and the simulator's own levers for it.

Source: API §2.2 (capital), §2.3.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from .accounts import Account
from .answers import Answer, Page, Prepared
from .capital_networks import Blockchain
from .capital_payloads import (
    delay_payload,
    deposit_payload,
    dust_payload,
    known_address_payload,
    withdrawal_payload,
)
from .capital_records import PLATFORM_SOURCES, KnownAddress, WithdrawalRequest
from .clock import us_from_ms
from .engine import Exchange
from .payloads import Json
from .refusals import invalid_request
from .request_forms import Payload, Query
from .vaults import key_pair
from .web_sessions import WebSessions, delay_hours

_ASSET = re.compile(r"[A-Za-z0-9.]{1,40}")


class _Created(Protocol):
    @property
    def created_us(self) -> int: ...


_T = TypeVar("_T", bound=_Created)


class CapitalRest:
    """The signed operations of one exchange about deposits, withdrawals and dust."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.queries: Mapping[str, Callable[[Query], Prepared]] = {
            "get_deposit_address": self.deposit_address,
            "get_deposits": self.deposits,
            "get_dust_history": self.dust_history,
            "get_withdrawals": self.withdrawals,
        }
        self.bodies: Mapping[str, Callable[[Any], Prepared]] = {
            "convert_dust": self.convert_dust,
            "request_withdrawal": self.request_withdrawal,
        }

    def _account(self, account_id: str) -> Account:
        return self._exchange.open_account(account_id)

    def deposit_address(self, query: Query) -> Prepared:
        """Answer get_deposit_address."""
        blockchain = query.required_word("blockchain", Blockchain)
        return Prepared(
            lambda account_id: Answer({"address": self._exchange.capital.deposit_address(account_id, blockchain)})
        )

    def deposits(self, query: Query) -> Prepared:
        """Answer get_deposits, newest first."""
        created, page = _created_filter(query), Page(query)
        excludes_platform = query.flag("excludePlatform")

        def run(account_id: str) -> Answer:
            rows = [
                row
                for row in created(self._exchange.capital.deposits(self._account(account_id)))
                if not (excludes_platform and row.source in PLATFORM_SOURCES)
            ]
            return page.answer(rows, deposit_payload)

        return Prepared(run)

    def withdrawals(self, query: Query) -> Prepared:
        """Answer get_withdrawals, newest first."""
        created, page = _created_filter(query), Page(query)
        withdrawal_id, client_id = query.integer("id"), query.text("clientId")

        def run(account_id: str) -> Answer:
            rows = [
                row
                for row in created(self._exchange.capital.withdrawals(self._account(account_id)))
                if withdrawal_id in (None, row.withdrawal_id) and client_id in (None, row.request.client_id)
            ]
            return page.answer(rows, withdrawal_payload)

        return Prepared(run)

    def request_withdrawal(self, body: Any) -> Prepared:
        """Answer request_withdrawal with the withdrawal as it is pending."""
        payload = Payload(body, "AccountWithdrawalPayload")
        if not isinstance(payload.fields.get("recipientInformation") or {}, dict):
            raise payload.failure("WithdrawalRecipientInformation", 'Expected input type "object".')
        request = WithdrawalRequest(
            address=payload.required_text("address"),
            blockchain=payload.word("blockchain", Blockchain),
            symbol=read_asset(payload),
            quantity=payload.required_decimal("quantity"),
            client_id=payload.text("clientId"),
            two_factor_token=payload.text("twoFactorToken"),
            borrows=bool(payload.flag("autoBorrow")),
            redeems=bool(payload.flag("autoLendRedeem")),
        )

        def run(account_id: str) -> Answer:
            withdrawal, execution = self._exchange.capital.withdraw(self._account(account_id), request)
            return Answer(withdrawal_payload(withdrawal), executions=(execution,))

        return Prepared(run)

    def convert_dust(self, body: Any) -> Prepared:
        """Answer convert_dust with an empty body."""
        payload = Payload(body, "AccountConvertDustPayload")
        symbol = None if payload.fields.get("symbol") is None else read_asset(payload)
        return Prepared(
            lambda account_id: Answer(
                None, executions=(self._exchange.dust.convert(self._account(account_id), symbol),)
            )
        )

    def dust_history(self, query: Query) -> Prepared:
        """Answer get_dust_history."""
        page, conversion_id, symbol = Page(query), query.integer("id"), query.text("symbol")

        def run(account_id: str) -> Answer:
            rows = [
                row
                for row in self._exchange.dust.conversions(self._account(account_id))
                if conversion_id in (None, row.conversion_id) and symbol in (None, row.symbol)
            ]
            return page.answer(rows, dust_payload)

        return Prepared(run)


def read_asset(payload: Payload) -> str:
    """Return the required asset of a body; whether there is such an asset is asked later."""
    symbol = payload.required_text("symbol", "CustodyAsset")
    if not _ASSET.fullmatch(symbol):
        raise payload.failure("CustodyAsset", "Invalid asset")
    return symbol


def _created_filter(query: Query) -> Callable[[Iterable[_T]], list[_T]]:
    """Return what keeps rows from `from` (inclusive) to `to` (exclusive, as in API §2.2; both in milliseconds)."""
    from_ms, to_ms = query.integer("from", 0, is_signed=True) or 0, query.integer("to", is_signed=True)

    def keep(rows: Iterable[_T]) -> list[_T]:
        return [
            row
            for row in rows
            if us_from_ms(from_ms) <= row.created_us and (to_ms is None or row.created_us < us_from_ms(to_ms))
        ]

    return keep


class CapitalControl:
    """What tests ask of the simulator itself: money from outside, and what owners do on the web site."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.web_sessions = WebSessions(exchange)

    def deposit(self, value: Any) -> Json:
        """Do `{"account": KEY, "symbol": "USDC", "quantity": "120", "blockchain": "Solana"}`; return the deposit.

        Raises:   Refusal, or ParseFailure in the form of the exchange's own bodies.
        """
        payload = Payload(value, "DepositPayload")
        symbol, quantity = read_asset(payload), payload.required_decimal("quantity")
        blockchain, sender = payload.word("blockchain", Blockchain), payload.text("fromAddress")
        account = self._account(payload)
        return deposit_payload(self._exchange.capital.deposit(account, symbol, quantity, blockchain, sender))

    def session(self, value: Any) -> Json:
        """Do `{"account": KEY, "address": {...}, "withdrawalDelayHours": 24}`; return it all, and the session.

        Both settings are optional; the address is `{"blockchain": "Solana", "address": "...",
        "twoFactorRequired": false, "whitelisted": true}`, the last two with these defaults.
        Raises:   Refusal, or ParseFailure in the form of the exchange's own bodies.
        """
        payload = Payload(value, "SessionPayload")
        known, hours = _known_address(payload), _delay_hours(payload)
        account, capital = self._account(payload), self._exchange.capital
        if known is not None:
            capital.know_address(account, known)
        if hours is not None:
            capital.set_delay(account, hours)
        delay = capital.delay(account)
        return {
            "addressBook": [known_address_payload(row) for row in capital.known_addresses(account)],
            "session": self.web_sessions.token(account),
            "withdrawalDelay": None if delay is None else delay_payload(delay),
        }

    def vault_keys(self) -> list[Json]:
        """Return the API keys of the vaults' system accounts, so that somebody can be the manager of one."""
        return [
            {"apiKey": key, "apiSecret": secret, "vaultId": vault_id}
            for vault_id in self._exchange.vaults.vaults
            for key, secret in (key_pair(vault_id),)
        ]

    def _account(self, payload: Payload) -> Account:
        account = self._exchange.accounts.get(payload.required_text("account"))
        if account is None or account.is_background:
            raise invalid_request("No such account; it begins with its first signed request")
        return account


def _known_address(payload: Payload) -> KnownAddress | None:
    fields = payload.fields.get("address")
    if fields is None:
        return None
    address = Payload(fields, "KnownAddress")
    is_whitelisted = address.flag("whitelisted")
    return KnownAddress(
        blockchain=address.word("blockchain", Blockchain),
        address=address.required_text("address"),
        needs_two_factor=bool(address.flag("twoFactorRequired")),
        is_whitelisted=True if is_whitelisted is None else is_whitelisted,
    )


def _delay_hours(payload: Payload) -> int | None:
    return None if payload.fields.get("withdrawalDelayHours") is None else delay_hours(payload)
