"""Carry out what agents ask for: whether it is allowed, within the limits, with the user's keys.

Rule 1: every request goes through the same steps: known tool, permission, checked parameters, limits, sent.
Rule 2: what changes something is sent once. Room that it took from a limit is given back only when it was refused.
"""

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any

from backpack_connector.client.credentials import Found, find_credentials, masked
from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.endpoints import Effect, endpoint
from backpack_connector.protocol.errors import (
    BackpackError,
    ConfigurationError,
    OutcomeUnknown,
    shown,
)
from backpack_connector.protocol.units import decimal_text

from .answers import answer_of, error_of, internal_error, own_answer
from .limits import Limits, NotAllowed, Reservation, SessionLimits
from .settings import Settings
from .tools import MOST_ORDERS_OF_A_BATCH, TOOLS, Tool
from .worth import asset_placement, known_names, order_placement

NO_KEYS = (
    "API credentials are not configured. Ask the user to run `backpack config set`, or to start this server with"
    " BACKPACK_API_KEY and BACKPACK_SECRET_KEY in its environment; never ask for the keys themselves."
)
_ORDERS = ("execute_order", "execute_order_batch", "strategy_create")
_ASSETS = ("execute_borrow_lend", "vault_mint")
_MOST_ID = 2**32 - 1


class Session:
    """One run of the server: keys, permissions, limits, and the exchange."""

    def __init__(
        self,
        settings: Settings,
        *,
        find: Callable[[], Found | None] = find_credentials,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.limits = SessionLimits(settings.limits, now)
        self._find = find
        self._found: Found | None = None
        self._clients: dict[str | None, BackpackClient] = {}
        self._own: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {
            "auth_config_get": self._tell_configuration,
            "auth_config_set": self._read_keys_again,
            "auth_config_clear": self._forget_keys,
        }

    async def __aenter__(self) -> "Session":
        self._found = self._find()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for client in self._clients.values():
            await client.close()

    @property
    def client(self) -> BackpackClient:
        """Return the client with the present keys; one that other calls still use stays open."""
        credentials = None if self._found is None else self._found.credentials
        key = None if credentials is None else credentials.api_key
        if key not in self._clients:
            self._clients[key] = BackpackClient(
                credentials=credentials, url=self.settings.url, share=self.settings.share
            )
        return self._clients[key]

    @property
    def tools(self) -> list[Tool]:
        """Return the tools that this run offers."""
        return [tool for tool in TOOLS.values() if tool.group in self.settings.groups]

    def prohibition(self, tool: Tool) -> str | None:
        """Return why a tool may not be used in this run, or None."""
        if tool.effect is Effect.MOVES_FUNDS:
            if not self.settings.allows_withdrawals:
                return (
                    "Withdrawals are switched off; the person who runs this server can start it with"
                    " --allow-withdrawals and the addresses that are allowed."
                )
        elif tool.effect is not Effect.READS and not self.settings.allows_trading:
            return "This server is read-only; the person who runs it can start it with --allow-trading."
        return None

    async def call(self, name: str, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """Carry out one tool; returns what to answer, and whether it is an error."""
        try:
            return await self._carry_out(self._tool(name), arguments)
        except BackpackError as error:
            return error_of(error), True
        except Exception:
            # Whatever it is, an agent gets no traceback, and the server goes on.
            logging.getLogger(__name__).exception("The tool %s failed.", shown(name))
            return internal_error(is_change=TOOLS[name].effect is not Effect.READS), True

    def _tool(self, name: str) -> Tool:
        tool = TOOLS.get(name)
        if tool is None or tool.group not in self.settings.groups:
            raise ConfigurationError(f"There is no tool {shown(name)} here.")
        prohibition = self.prohibition(tool)
        if prohibition is not None:
            raise NotAllowed(prohibition)
        return tool

    async def _carry_out(self, tool: Tool, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        self.limits.count_call()
        if tool.operation_id is None:
            if arguments:
                raise ConfigurationError(f"{tool.name} takes no parameters, and above all no keys.")
            return await self._own[tool.name](), False
        if endpoint(tool.operation_id).is_signed and self.client.credentials is None:
            raise ConfigurationError(NO_KEYS)
        given = _given(tool, arguments)
        if tool.effect is Effect.READS:
            return answer_of(await self.client.call(tool.operation_id, given), tool.fields), False
        return await self._change(tool.operation_id, given)

    async def _change(self, operation_id: str, given: Any) -> tuple[dict[str, Any], bool]:
        client = self.client  # keys that are changed meanwhile do not change whose order this is
        fields = client.checked(operation_id, given)
        reservation = await self._reserve(client, operation_id, fields)
        try:
            result = await client.call(operation_id, fields)
        except OutcomeUnknown as error:
            return error_of(error) | {"sent": fields}, True
        except BackpackError:  # refused, or not even sent
            if reservation is not None:
                reservation.give_back()
            raise
        return answer_of(result), False

    async def _reserve(self, client: BackpackClient, operation_id: str, fields: Any) -> Reservation | None:
        moves_funds = endpoint(operation_id).effect is Effect.MOVES_FUNDS
        if self.limits.are_names_unknown and (moves_funds or operation_id in (*_ORDERS, *_ASSETS)):
            self.limits.check_names(await known_names(client))
        if operation_id in _ORDERS:
            orders = fields if isinstance(fields, list) else [fields]
            for order in orders:
                self.limits.check_market(order["symbol"])
            return self.limits.reserve([await order_placement(client, order) for order in orders])
        if operation_id in _ASSETS:
            return self.limits.reserve([await asset_placement(client, fields)])
        if moves_funds:
            if fields["address"] not in self.settings.addresses:
                raise NotAllowed("This address is not one of those that the person who runs this server has listed.")
            return self.limits.reserve_withdrawal(await asset_placement(client, fields))
        return None

    async def _read_keys_again(self) -> dict[str, Any]:
        self._found = self._find()
        return await self._tell_configuration()

    async def _forget_keys(self) -> dict[str, Any]:
        self._found = None
        return await self._tell_configuration()

    async def _tell_configuration(self) -> dict[str, Any]:
        settings, limits, found = self.settings, self.limits.limits, self._found
        return own_answer(
            {
                "api_key": None if found is None else masked(found.credentials.api_key),
                "api_key_from": None if found is None else found.origin,
                "url": settings.url,
                "allows_trading": settings.allows_trading,
                "allows_withdrawals": settings.allows_withdrawals,
                "withdrawal_addresses": sorted(settings.addresses),
                "limits": _limits_told(limits),
                "used": {
                    "session_notional_usdc": decimal_text(self.limits.spent),
                    "withdrawal_notional_usdc": decimal_text(self.limits.withdrawn),
                },
            }
        )


def _limits_told(limits: Limits) -> dict[str, Any]:
    return {
        "order_notional_usdc": decimal_text(limits.order_notional),
        "session_notional_usdc": decimal_text(limits.session_notional),
        "withdrawal_notional_usdc": decimal_text(limits.withdrawal_notional),
        "orders_per_minute": limits.orders_per_minute,
        "calls_per_minute": limits.calls_per_minute,
        "quantities": {name: decimal_text(most) for name, most in sorted(limits.quantities.items())},
        "markets": sorted(limits.markets),
    }


def _given(tool: Tool, arguments: Mapping[str, Any]) -> Any:
    """Return the arguments as the client takes them, with a client id for each new order.

    The id lets an order be found whose answer was lost.
    """
    if tool.name == "order_batch":
        orders = arguments.get("orders")
        if set(arguments) != {"orders"} or not isinstance(orders, list):
            raise ConfigurationError("order_batch takes orders, which is a list of orders.")
        if len(orders) > MOST_ORDERS_OF_A_BATCH:
            raise ConfigurationError(f"order_batch takes at most {MOST_ORDERS_OF_A_BATCH} orders.")
        return [_with_id(order) for order in orders]
    known = {name for row in tool.parameters for name in (row.name, row.python_name)}
    unknown = next((name for name in arguments if name not in known), None)
    if unknown is not None:
        names = ", ".join(row.python_name for row in tool.parameters)
        raise ConfigurationError(f"{tool.name} has no parameter {shown(unknown)}; it takes {names or 'none'}.")
    missing = [row.python_name for row in tool.parameters if row.is_required and arguments.get(row.python_name) is None]
    if missing and tool.needed:
        raise ConfigurationError(f"{tool.name} needs {' and '.join(missing)}.")
    given = dict(tool.defaults) | dict(arguments)
    return _with_id(given) if tool.name == "order_create" else given


def _with_id(order: Any) -> Any:
    if not isinstance(order, dict) or any(order.get(name) is not None for name in ("clientId", "client_id")):
        return order
    without = {name: value for name, value in order.items() if name != "clientId"}
    return without | {"client_id": 1 + secrets.randbelow(_MOST_ID)}
