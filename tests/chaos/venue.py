"""The exchange of a run: the simulator, the other people who trade there, and what it has seen of the bots."""

import random
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from typing import Any

from backpack_connector.protocol.endpoints import Endpoint
from backpack_connector.protocol.enums import OrderType, Side, TimeInForce
from backpack_connector.protocol.signing import generate_key_pair
from backpack_connector.simulator import Simulator
from backpack_connector.simulator.events import BalanceChanged, Execution
from backpack_connector.simulator.orders import NewOrder, Order
from backpack_connector.simulator.refusals import Refusal

_STRANGERS = "strangers"
_DEPOSIT = dict.fromkeys(("USDC", "SOL", "BTC", "ETH"), Decimal(10**9))


class Venue:
    """One exchange with one account that bots share, and strangers."""

    def __init__(self, simulator: Simulator, symbols: list[str]) -> None:
        self.simulator = simulator
        self.exchange = simulator.exchange
        self.symbols = symbols
        self.key, self.secret = generate_key_pair(bytes(32))
        self.sent: Counter[int] = Counter()
        """How often an order reached the exchange, by client id, refused ones included."""
        self.beyond_the_pools: list[str] = []
        """Operations that the exchange's own pools have refused."""
        self._middle = {symbol: self.exchange.markets[symbol].last_price for symbol in symbols}
        self.exchange.accounts.open_background(_STRANGERS, self.exchange.now_us(), _DEPOSIT)
        self.exchange.open_account(self.key)
        self._watch()

    def _watch(self) -> None:
        place, count = self.exchange.place, self.simulator.pools.count

        def counted_place(account_id: str, request: NewOrder) -> Execution:
            if account_id == self.key and request.client_id is not None:
                self.sent[request.client_id] += 1
            return place(account_id, request)

        def counted_request(caller: str, endpoint: Endpoint, now_us: int) -> None:
            try:
                count(caller, endpoint, now_us)
            except Refusal:
                self.beyond_the_pools.append(endpoint.operation_id)
                raise

        self.exchange.place = counted_place  # type: ignore[method-assign]
        self.simulator.pools.count = counted_request  # type: ignore[method-assign]

    # What the exchange knows

    def orders(self) -> dict[str, Order]:
        """Return all orders that the exchange has accepted from the bots, by client id."""
        orders = self.exchange.open_account(self.key).orders.values()
        return {str(order.client_id): order for order in orders if order.client_id is not None}

    def resting(self) -> list[Order]:
        """Return the account's orders that rest, the bots' and its owner's."""
        return list(self.exchange.open_account(self.key).open_orders.values())

    @property
    def open_count(self) -> int:
        """Return how many orders of the account rest or wait for their trigger, the owner's included."""
        return len(self.exchange.open_account(self.key).all_open_orders)

    def book(self, symbol: str) -> tuple[dict[float, float], dict[float, float]]:
        """Return the true bids and asks of a market, price to quantity."""
        book = self.exchange.markets[symbol].book
        bids, asks = ({float(p): float(q) for p, q in side.best_levels(10_000)} for side in (book.bids, book.asks))
        return bids, asks

    # What others do

    def price(self, symbol: str, offset_bps: int) -> Decimal:
        """Return the price so many basis points above where the market has begun, on its tick."""
        tick = self.exchange.markets[symbol].instrument.tick_size
        return (self._middle[symbol] * (Decimal(10_000 + offset_bps) / 10_000) / tick).quantize(Decimal(1)) * tick

    def quantity(self, symbol: str, notional: int) -> Decimal:
        """Return the quantity that is worth about so many USDC, on the market's step."""
        instrument = self.exchange.markets[symbol].instrument
        steps = (Decimal(notional) / self._middle[symbol] / instrument.step_size).quantize(Decimal(1))
        return max(steps * instrument.step_size, instrument.min_quantity)

    def _place(self, account: str, symbol: str, side: Side, price: Decimal, quantity: Decimal, **options: Any) -> None:
        options = {"time_in_force": TimeInForce.GTC, **options}
        request = NewOrder(
            symbol=symbol, side=side, order_type=OrderType.LIMIT, price=price, quantity=quantity, **options
        )
        with suppress(Refusal):  # closed, or beyond the account's means
            self.simulator.publish(self.exchange.place(account, request))

    def make_markets(self, notional: int = 1_500) -> None:
        """Let strangers offer at three prices on both sides of every market."""
        for symbol in self.symbols:
            for distance in (4, 10, 20):
                quantity = self.quantity(symbol, notional)
                self._place(_STRANGERS, symbol, Side.BID, self.price(symbol, -distance), quantity, post_only=True)
                self._place(_STRANGERS, symbol, Side.ASK, self.price(symbol, distance), quantity, post_only=True)

    def stranger_trades(self, chance: random.Random) -> None:
        """Let a stranger trade or offer."""
        symbol, side = chance.choice(self.symbols), chance.choice(list(Side))
        time_in_force = chance.choice([TimeInForce.IOC, TimeInForce.GTC])
        reach = chance.randint(-15, 25) * (1 if side is Side.BID else -1)
        quantity = self.quantity(symbol, chance.randint(20, 1_500))
        self._place(_STRANGERS, symbol, side, self.price(symbol, reach), quantity, time_in_force=time_in_force)

    def move_indices(self, chance: random.Random) -> None:
        """Move the underlying prices of the perpetual markets, and with them mark prices and margins."""
        for symbol in self.symbols:
            if symbol.endswith("_PERP"):
                self.simulator.set_index_price(symbol, self.price(symbol, chance.randint(-30, 30)))

    def owner_trades(self, chance: random.Random) -> None:
        """Let the account's owner place an order by hand, of which the bots know nothing."""
        symbol, side = chance.choice(self.symbols), chance.choice(list(Side))
        price = self.price(symbol, chance.randint(-20, 20))
        self._place(self.key, symbol, side, price, self.quantity(symbol, chance.randint(20, 100)))

    def owner_cancels(self, chance: random.Random) -> None:
        """Let the account's owner cancel an order by hand, perhaps one of a bot."""
        resting = self.resting()
        if resting:
            order = chance.choice(resting)
            with suppress(Refusal):
                self.simulator.publish(self.exchange.cancel(self.key, order.symbol, order_id=order.order_id))

    def owner_settles(self, chance: random.Random) -> None:
        """Let the account's owner bring money, or change the leverage limit, on the exchange's web page."""
        if chance.random() < 0.5:
            asset, amount = chance.choice([("USDC", Decimal(chance.randint(1, 500))), ("SOL", Decimal(1))])
            self.exchange.ledger.deposit(self.key, asset, amount)
            balance = self.exchange.ledger.balance(self.key, asset)
            event = BalanceChanged(
                account_id=self.key,
                asset=asset,
                available=balance.available,
                locked=balance.locked,
                time_us=self.exchange.now_us(),
            )
            self.simulator.publish(Execution((), (event,)))
        else:
            self.owner_changes_leverage(chance)

    def owner_changes_leverage(self, chance: random.Random) -> None:
        """Let the account's owner change the leverage limit on the exchange's web page."""
        with suppress(Refusal):  # too low for what is open
            self.exchange.set_leverage_limit(self.key, Decimal(chance.randint(2, 20)))

    def stir(self) -> None:
        """Change every book and put it back, so that whoever has lost the last frame of a stream can notice."""
        for symbol in self.symbols:
            request = NewOrder(
                symbol=symbol,
                side=Side.BID,
                order_type=OrderType.LIMIT,
                price=self.price(symbol, -300),
                quantity=self.quantity(symbol, 50),
                time_in_force=TimeInForce.GTC,
            )
            execution = self.exchange.place(_STRANGERS, request)
            self.simulator.publish(execution)
            self.simulator.publish(self.exchange.cancel(_STRANGERS, symbol, order_id=execution.order.order_id))
