"""Wrong input of commands: one sentence, exit code 2, and nothing sent; refusals: one sentence, exit code 1."""

import json
from pathlib import Path

import pytest

from backpack_connector.cli.main import run
from backpack_connector.cli.session import advice
from backpack_connector.protocol import errors
from tests.cli.conftest import Shown

ORDER = "order create SOL_USDC buy limit --quantity 1 --price 100"

WAITING = "order create SOL_USDC buy limit --price 140 --trigger-price 141 --trigger-quantity 1"
STRATEGY = "strategy create buy SOL_USDC 1 --duration 600000 --interval 60000 --price 140"

WRONG = [
    ("order create SOL_USDC up limit --quantity 1 --price 100", "side has to be one of Bid, Ask, not 'up'."),
    ("order create SOL/USDC buy limit --quantity 1 --price 100", "symbol has to be written like SOL_USDC_PERP or SOL"),
    (
        "order create SOL_USDC buy limit --quantity NaN --price 100",
        "quantity has to be a number such as 0.5, not 'NaN'.",
    ),
    ("order create SOL_USDC buy limit --quantity 1e-8 --price 100", "quantity has to be written plainly: 0.00000001"),
    ("order create SOL_USDC buy limit --quantity 0,5 --price 100", "quantity has to have a point and no comma: 0.5"),
    ("order create SOL_USDC buy limit --quantity -1 --price 100", "quantity has to be above zero, not '-1'."),
    ("borrow execute -1 lend SOL", "A number has to be above zero, not '-1'."),
    ("capital withdraw x Solana -0.5 SOL", "A number has to be above zero, not '-0.5'."),
    ("vault mint 1 USDC -5", "A number has to be above zero, not '-5'."),
    ("rfq quote 1 -.1 2", "A number has to be above zero, not '-.1'."),
    ("market stock-quote AAPL.US buy -1e3", "A number has to be above zero, not '-1e3'."),
    ("order create SOL_USDC buy limit --quantity 1", "A limit order needs a price."),
    ("order create SOL_USDC buy market --quantity 1 --price 5", "A market order has no price"),
    ("order create SOL_USDC buy", "Missing argument"),
    ("order create SOL_USDC buy limit --quantity 1 --price 100.005", "The price 100.005 is not a multiple of the tick"),
    ("order create SOL_USDC buy limit --quantity 0.001 --price 100", "The quantity 0.001 is below the minimum"),
    (WAITING.replace("141", "140.0001"), "The trigger price 140.0001 is not a multiple of the tick 0.01 of SOL_USDC;"),
    (f"{WAITING}.00001", "The trigger quantity 1.00001 is not a multiple of the step"),
    (
        f"{ORDER} --take-profit-trigger-price 160.0001",
        "The trigger price of the take-profit 160.0001 is not a multiple",
    ),
    (
        f"{ORDER} --stop-loss-trigger-price 130 --stop-loss-limit-price 129.00001",
        "The limit price of the stop-loss 129.00001 is not a multiple of the tick 0.01 of SOL_USDC; "
        "the nearest are 129 and 129.01.",
    ),
    (f"{STRATEGY}.00001", "The price 140.00001 is not a multiple of the tick"),
    (STRATEGY.replace("USDC 1 ", "USDC 10.00001 "), "The quantity 10.00001 is not a multiple of the step"),
    ("rfq submit SOL_USDC_RFQ buy --quantity 1.0000001", "The quantity 1.0000001 is not a multiple of the step 0.01"),
    ("order cancel SOL_USDC", "cancel_order needs orderId or clientId."),
    ("order cancel SOL_USDC --order-id 1 --client-id 2", "cancel_order takes only one of orderId and clientId."),
    ("order fills --from yesterday", "--from has to be a UTC time such as 2026-10-02T10:00, not 'yesterday'."),
    ("order fills --from 2026-02-01 --to 2026-01-01", "get_fills: the end of the time is before its beginning."),
    ("order history --limit 0", "limit has to be from 1 to 1000, not 0."),
    ("order history --all --limit 0", "limit has to be from 1 to "),
    ("order history --all --limit many", "limit has to be a whole number, not 'many'."),
    ("order history --all --offset 5", "Give either --all or --offset, not both."),
    ("order history --limit 1500", "limit has to be from 1 to 1000, not 1500."),
    ("order batch /no/such/file", "/no/such/file cannot be read: No such file or directory."),
    ("account update", "update_account_settings needs at least one of leverageLimit"),
    ("market klines SOL_USDC 7m", "interval has to be one of 1s, 1m"),
    ("market klines SOL_USDC 1m --start 2090-01-01", "--start lies in the future."),
    ("export klines SOL_USDC 1m x.csv --start 2090-01-01", "--start lies in the future."),
    ("market klines SOL_USDC 1m --price-type Best", "priceType has to be one of Last, Index, Mark, not 'Best'."),
    ("market depth SOL_USDC --levels 0", "Invalid value for '--levels'"),
    ("market list --format xml", "Invalid value for '--format'"),
    ("market nothing", "No such command 'nothing'."),
    ("market list --url nonsense", "Give either --url or --simulator, not both."),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_wrong_input_is_explained(text: str, sentence: str, command: Shown) -> None:
    result = command(*text.split())
    assert result.err.startswith(sentence)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("quantity", ["80%", "1.5"])
def test_a_conditional_order_for_a_part_of_a_position_is_not_held_to_a_step(quantity: str, command: Shown) -> None:
    assert command(*f"{WAITING[:-1]}{quantity} --dry-run".split()).code == 0


def test_quotes_can_be_asked_for_where_there_is_no_market(command: Shown) -> None:
    assert command("rfq", "submit", "AAPL.US_USDC_RFQ", "buy", "--quantity", "1", "--dry-run").code == 0
    assert command(*STRATEGY.replace("SOL", "NOPE").split(), "--dry-run").code == 1


def test_wrong_input_is_noticed_before_keys_are_missed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*ORDER.split()[:-1], "-5"]) == 2
    assert capsys.readouterr().err == "price has to be above zero, not '-5'.\n"


def test_an_address_that_is_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["system", "time", "--url", "nonsense"]) == 2
    assert capsys.readouterr().err.startswith("--url must be a URL such as http://127.0.0.1:8700, not 'nonsense'.")


@pytest.mark.parametrize("text", [ORDER, "account balances", "order history --all"])
def test_without_keys_it_is_said_how_to_configure_them(
    text: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*text.split(), "--url", "http://127.0.0.1:9"]) == 1
    assert capsys.readouterr().err.startswith("API credentials are not configured. Try: backpack config set;")


def test_an_exchange_that_is_not_there(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["market", "depth", "SOL_USDC", "--url", "http://127.0.0.1:9"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("get_depth: no answer from the exchange: Cannot connect")
    assert said.endswith("If the simulator does not run, `backpack simulate` starts it.\n")


def test_refusals_say_what_to_do_next(command: Shown) -> None:
    unknown = command("order", "cancel", "SOL_USDC", "--order-id", "1")
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.err.endswith("It may have ended: see `backpack order history`.\n")
    poor = command("order", "create", "SOL_USDC", "buy", "limit", "--quantity", "100000", "--price", "100")
    assert poor.code == 1
    assert poor.err.endswith("See `backpack account balances` and `backpack account max-order`.\n")
    for words, sentence in (
        (
            "market info sol_usdc",
            "See `backpack market list`; names are written as there, such as SOL_USDC, and capitals",
        ),
        ("market klines NOPE_USDC 1m", "See `backpack market list`;"),
        ("capital deposit-address Foo", "Networks are written like Solana or Ethereum;"),
    ):
        refused = command(*words.split())
        assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
        assert f". {sentence}" in refused.err


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (errors.NoAnswer("Cannot connect to host api.backpack.exchange:443"), " See whether you are connected,"),
        (errors.RateLimited("Too many requests"), " An account has 2000 requests a minute, and 30 of those"),
        (errors.Unavailable("Maintenance"), " See `backpack system status`"),
        (errors.ClockSkew("Request has expired"), " See `backpack doctor`"),
        (
            errors.Refused("Two factor token is required", code="INVALID_TWO_FACTOR_CODE"),
            " Only an address on the account's list",
        ),
        (errors.InvalidRequest("No such asset", code="INVALID_ASSET"), " See `backpack market assets`"),
        (errors.InvalidRequest("failed to parse `side`"), " See the command's --help"),
        (errors.OrderRejected("Price is too far from the last active price"), ""),
        (errors.ConfigurationError("There is no market symbol."), ""),
    ],
)
def test_every_error_that_can_be_mended_has_an_advice(error: errors.BackpackError, sentence: str) -> None:
    assert advice(error).startswith(sentence)
    assert (advice(error) == "") is (sentence == "")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("not JSON", "is no JSON."),
        ("[]", "execute_order_batch takes a list of at least one order."),
        ('{"symbol": "SOL_USDC"}', "execute_order_batch takes a list of at least one order."),
        (
            '[{"symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit", "price": "70", "quantity": NaN}]',
            "Order 1 of the batch: quantity has to be a number such as 0.5, not 'NaN'.",
        ),
        ('["buy"]', "Order 1 of the batch is not a set of fields."),
        ('[{"symbol": "SOL_USDC", "sid": "Bid"}]', "execute_order_batch has no parameter 'sid'; did you mean side?"),
    ],
)
def test_a_file_of_orders_with_a_mistake(content: str, sentence: str, command: Shown, tmp_path: Path) -> None:
    file = tmp_path / "orders.json"
    file.write_text(content)
    result = command("order", "batch", str(file))
    assert result.code == 2
    assert sentence in result.err


def test_a_file_of_orders_may_use_the_words_of_order_create(command: Shown, tmp_path: Path) -> None:
    file = tmp_path / "orders.json"
    order = '{"symbol": "SOL_USDC", "side": "%s", "orderType": "limit", "price": "70", "quantity": 1}'
    file.write_text(f"[{order % 'buy'}, {order % 'Sell'}]")
    result = command("order", "batch", str(file), "--dry-run", "--format", "json")
    assert result.code == 0, result.err
    sent = json.loads(json.loads(result.out)["body"])
    assert [(one["side"], one["orderType"]) for one in sent] == [("Bid", "Limit"), ("Ask", "Limit")]


def test_a_batch_of_which_something_is_refused_ends_with_1(command: Shown, tmp_path: Path) -> None:
    file = tmp_path / "orders.json"
    one = '{"symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit", "price": "70", "quantity": %s}'
    file.write_text(f"[{one % 1}, {one % 1000000}]")
    result = command("order", "batch", str(file), "--format", "json")
    assert (result.code, result.err) == (1, "Not all orders were accepted.\n")
    assert '"operation": "Err"' in result.out
    command("order", "cancel-all", "SOL_USDC")
