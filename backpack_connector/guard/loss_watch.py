"""Ask the exchange what the account is worth, and compare it with the limit.

While the exchange does not answer, nothing is known and nothing is concluded.
"""

import math
import time
from collections.abc import Callable
from decimal import Decimal

from backpack_connector.client.rest import BackpackClient
from backpack_connector.protocol.errors import BackpackError, Refused, WireFormatError
from backpack_connector.protocol.futures import MarginSummary
from backpack_connector.protocol.models import Ticker, Transfer, read_balances, read_rows
from backpack_connector.protocol.units import decimal_text
from backpack_connector.protocol.wire import read

from .loss_limit import AccountValue, AssetPrices, LossLimit, TransferSum, account_value, other_assets
from .reports import Reports

TRANSFERS_EVERY_S = 60.0
_ROWS = 100
_PATIENCE = 6
"""After so many failures in a row, a loss counts although transfers cannot be read."""


class LossWatch:
    """Watches one account's worth."""

    def __init__(
        self,
        client: BackpackClient,
        reports: Reports,
        limit: LossLimit,
        transfers: TransferSum,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self.transfers = transfers
        self._client = client
        self._reports = reports
        self._monotonic = monotonic
        self._prices = AssetPrices()
        self._transfers_at = -math.inf
        self._failures = 0

    async def look(self) -> bool:
        """Take one reading; return whether something has changed that a later guard must know."""
        known_before = len(self.transfers.known or ())
        had_baseline = self.limit.baseline is not None
        try:
            value = await self.value()
            if not await self._look_at_transfers(value.amount):
                return False
        except BackpackError as error:
            self._reports.say_at_times(
                "value",
                "trouble",
                f"It is not known what the account is worth, so its loss is not watched now: {error}.",
            )
            return False
        if self._reports.close("value"):
            self._reports.say("trouble_over", "The worth of the account is known again.")
        for asset in value.left_out:
            self._reports.say_once(f"price of {asset}", "trouble", f"{asset} has no price and is not counted.")
        is_reached = self.limit.read(value.amount, self.transfers.net)
        if not had_baseline:
            self._tell_baseline()
        if is_reached:
            loss, most = decimal_text(self.limit.loss), decimal_text(self.limit.most)
            sentence = (
                f"The account has lost {loss} USDC and the limit is {most}: the orders of all its bots are cancelled, "
                "until the guard is started again."
            )
            self._reports.say("loss_limit", sentence, loss=loss)
        return is_reached or not had_baseline or len(self.transfers.known or ()) != known_before

    def _tell_baseline(self) -> None:
        worth = decimal_text(self.limit.baseline or self.limit.most)
        self._reports.say(
            "baseline",
            f"The account is worth {worth} USDC; the limit is a loss of {decimal_text(self.limit.most)}.",
            worth=worth,
        )

    async def value(self) -> AccountValue:
        """Return what the account is worth now.

        Raises:   BackpackError when the exchange does not tell.
        """
        margin = read(MarginSummary, await self._client.request("get_collateral"), "get_collateral")
        balances, complaints = read_balances(await self._client.request("get_balances"))
        if complaints:
            raise WireFormatError(complaints[0])
        self._prices.update({row.symbol: row.asset_mark_price for row in margin.collateral})
        others = other_assets(margin, balances)
        if others:
            tickers, _ = read_rows(Ticker, await self._client.request("get_tickers"), "get_tickers")
            last_prices = {row.symbol: row.last_price for row in tickers}
            markets = {asset: f"{asset}_USDC" for asset in others}
            self._prices.update(
                {asset: last_prices[market] for asset, market in markets.items() if market in last_prices}
            )
        return account_value(margin, balances, self._prices)

    async def _look_at_transfers(self, worth: Decimal) -> bool:
        """Ask for transfers when it is time, or when they may explain a loss; return whether the reading counts."""
        is_beyond = (
            self.limit.baseline is not None and self.limit.baseline + self.transfers.net - worth >= self.limit.most
        )
        now = self._monotonic()
        if not is_beyond and now - self._transfers_at < TRANSFERS_EVERY_S:
            return True
        self._transfers_at = now
        try:
            deposits = await self._transfer_rows("get_deposits")
            withdrawals = await self._transfer_rows("get_withdrawals")
        except BackpackError as error:
            self._failures += 1
            self._reports.say_once(
                "transfers", "trouble", f"Transfers cannot be read, so a withdrawal would count as a loss: {error}."
            )
            return not is_beyond or isinstance(error, Refused) or self._failures > _PATIENCE
        self._failures = 0
        self._reports.close("transfers")
        self.transfers.look(deposits, withdrawals, self._prices)
        return True

    async def _transfer_rows(self, operation: str) -> list[Transfer]:
        rows, complaints = read_rows(Transfer, await self._client.request(operation, {"limit": _ROWS}), operation)
        if complaints:
            raise WireFormatError(complaints[0])
        return rows
