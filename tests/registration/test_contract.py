"""A Hummingbot that lacks something the connectors rely on is told in one sentence, each part of it."""

import ast
import importlib
import inspect
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import pytest

from backpack_connector import __version__
from backpack_connector import hummingbot_contract as contract
from backpack_connector.hummingbot_members import MEMBERS, TESTED_VERSION
from tests.registration import reliance

ROOT = Path(__file__).resolve().parents[2]
ALL_ROWS = [(key, *row) for key, text in MEMBERS.items() for row in contract.read_members(text)]
ROWS = [(key, name.removeprefix("?"), arguments) for key, name, arguments in ALL_ROWS]
TRACKER = "hummingbot.connector.client_order_tracker:ClientOrderTracker"
EXCHANGE = "hummingbot.connector.exchange_py_base:ExchangePyBase"
PERPETUAL = "hummingbot.connector.perpetual_derivative_py_base:PerpetualDerivativePyBase"
BUDGET = "hummingbot.connector.budget_checker:BudgetChecker"
PERPETUAL_BUDGET = "hummingbot.connector.derivative.perpetual_budget_checker:PerpetualBudgetChecker"
FUNDING = "hummingbot.core.data_type.funding_info:FundingInfo"
NAMED = [
    pytest.param(key, name, id=f"{key.rpartition('.')[2]}.{name}")
    for key, name, _ in ALL_ROWS
    if name.strip("?") == name != ""
]
OPTIONAL = [pytest.param(key, name[1:], id=name) for key, name, _ in ALL_ROWS if name.startswith("?")]


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """Load everything that the table names, our classes included."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Hummingbot's own connectors warn while they load
        for key in MEMBERS:
            importlib.import_module(key.partition(":")[0])
        list(reliance.our_modules())


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "_fitting", set())


def owner_of(key: str) -> Any:
    module, _, class_name = key.partition(":")
    loaded = sys.modules[module]
    return getattr(loaded, class_name) if class_name else loaded


def arguments_of(owner: Any, name: str) -> list[str] | None:
    return contract.signature_of(getattr(owner, name, None), inspect.getattr_static(owner, name, None))


def said(module: str | None = None) -> str:
    with pytest.raises(contract.HummingbotChanged) as caught:
        contract.check(module)
    return str(caught.value)


def test_the_installed_hummingbot_fits() -> None:
    contract.check()
    assert contract._fitting == set(MEMBERS)


def test_what_fits_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    contract.check()
    monkeypatch.setattr(contract, "_differences", lambda *arguments: pytest.fail("looked again"))
    contract.check()


def test_one_module_is_checked_without_the_others() -> None:
    contract.check("hummingbot.client.settings")
    assert contract._fitting == {key for key in MEMBERS if key.startswith("hummingbot.client.settings:")}
    assert len(contract._fitting) == 4


def test_the_table_names_all_that_our_classes_override_or_take_from_above() -> None:
    known = {name for _, name, _ in ROWS}
    missing = {
        f"{owner.__module__}:{owner.__name__} {name} {arguments_of(owner, name)}"
        for owner, names in reliance.inherited_names().items()
        for name in names - known
    }
    assert missing == set()


def test_the_table_names_the_private_parts_of_other_objects() -> None:
    hummingbots = {
        name
        for key in MEMBERS
        if isinstance(owner := owner_of(key), type)
        for base in owner.__mro__
        for name in {*vars(base), *reliance.set_in_constructor(base)}
    }
    borrowed = reliance.borrowed_private_names() & hummingbots
    assert {"_client_session", "_get_shared_client", "_funding_info"} <= borrowed, "the search finds nothing"
    assert borrowed - {name for _, name, _ in ROWS} == set()


def test_the_table_has_the_arguments_of_the_installed_hummingbot() -> None:
    for key, name, arguments in ROWS:
        owner = owner_of(key)
        if arguments is not None:
            called = getattr(owner, name) if name else owner
            static = inspect.getattr_static(owner, name) if name else None
            assert contract.signature_of(called, static) == arguments, (key, name)


def without(owner: Any, name: str) -> Any:
    """Return a look-alike of a class or module that has everything but one name."""
    members = {one: inspect.getattr_static(owner, one) for one in dir(owner) if not one.startswith("__")}
    for one in dict.fromkeys(("model_fields", "_fields")):
        if name in getattr(owner, one, ()):
            members[one] = {other: None for other in getattr(owner, one) if other != name}
    for base in getattr(owner, "__mro__", ()):
        members.update(dict.fromkeys(reliance.set_in_constructor(base), None))
    members.pop(name, None)
    if isinstance(owner, types.ModuleType):
        return types.SimpleNamespace(**members, __name__=owner.__name__)
    return type(owner.__name__, (), members)


@pytest.mark.parametrize(("key", "name"), NAMED)
def test_each_member_that_is_gone_is_told(key: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, class_name = key.partition(":")
    look_alike = without(owner_of(key), name)
    if class_name:
        monkeypatch.setattr(sys.modules[module], class_name, look_alike)
    else:
        monkeypatch.setitem(sys.modules, module, look_alike)
    assert f"{class_name or module} has no {name}" in said(module)


@pytest.mark.parametrize(("key", "name"), OPTIONAL)
def test_a_member_that_an_older_hummingbot_does_without_may_be_missing(
    key: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _, class_name = key.partition(":")
    monkeypatch.setattr(sys.modules[module], class_name, without(owner_of(key), name))
    contract.check(module)


@pytest.mark.parametrize("key", [key for key in MEMBERS if not key.endswith(":")])
def test_each_class_that_is_gone_is_told(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, class_name = key.partition(":")
    monkeypatch.delattr(sys.modules[module], class_name)
    assert f"{module} has no {class_name}" in said(module)


def move(monkeypatch: pytest.MonkeyPatch, name: str, upper: Any, lower: Any) -> None:
    monkeypatch.setattr(lower, name, inspect.getattr_static(upper, name), raising=False)
    monkeypatch.delattr(upper, name)


def test_a_member_that_moved_to_where_all_of_ours_have_it_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    move(monkeypatch, "reset_locked_collateral", owner_of(BUDGET), owner_of(PERPETUAL_BUDGET))
    contract.check()


def test_a_member_that_moved_to_where_one_of_ours_has_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    move(monkeypatch, "_iter_user_event_queue", owner_of(EXCHANGE), owner_of(PERPETUAL))
    assert "ExchangePyBase has no _iter_user_event_queue" in said()


@pytest.mark.parametrize(
    ("key", "name", "function", "told"),
    [
        (TRACKER, "process_order_not_found", lambda self, order_id: None, "(order_id) instead of (client_order_id)"),
        (TRACKER, "process_order_not_found", lambda self, client_order_id, why: None, "(client_order_id, why)"),
        (TRACKER, "fetch_order", lambda self, client_order_id, exchange_order_id=None: None, "(client_order_id, exch"),
        (
            TRACKER,
            "fetch_order",
            lambda self, exchange_order_id=None, client_order_id=None: None,
            "(exchange_order_id=,",
        ),
        (TRACKER, "fetch_order", lambda self, client_order_id=None, exchange_order_id=None, lost=None: None, "lost=)"),
        (EXCHANGE, "_place_order_and_process_update", lambda self, order: None, "(order) instead of (order, **kwargs)"),
        (FUNDING, "", type("FundingInfo", (), {"__init__": lambda self, trading_pair: None}), "(trading_pair)"),
    ],
)
def test_arguments_that_changed_are_told(
    key: str, name: str, function: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name:
        monkeypatch.setattr(owner_of(key), name, function)
    else:
        module, _, class_name = key.partition(":")
        monkeypatch.setattr(sys.modules[module], class_name, function)
    assert told in said()


@pytest.mark.parametrize(
    ("key", "name", "function"),
    [
        (TRACKER, "process_order_not_found", lambda self, client_order_id, why=None: None),
        (
            EXCHANGE,
            "_place_order",
            lambda self, order_id, trading_pair, amount, trade_type, order_type, price, more=0, **kwargs: None,
        ),
    ],
    ids=["called, not overridden", "overridden by one that takes everything"],
)
def test_one_more_argument_that_may_be_left_out_does_no_harm(
    key: str, name: str, function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_of(key), name, function)
    contract.check()


def test_the_sentence_names_versions_what_is_missing_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "running_version", lambda: "20270101")
    monkeypatch.delattr(owner_of(TRACKER), "process_order_not_found")
    assert said() == (
        f"Hummingbot 20270101 does not fit the Backpack plugin {__version__}, which is made for Hummingbot "
        f"{TESTED_VERSION}: ClientOrderTracker has no process_order_not_found. Install Hummingbot {TESTED_VERSION} "
        "or a plugin that is made for yours, or set BACKPACK_CONNECTOR=off to do without the plugin."
    )


def test_of_many_differences_three_are_named() -> None:
    told = contract.sentence([f"X has no {letter}" for letter in "abcde"])
    assert ": X has no a; X has no b; X has no c; and 2 more. Install" in told


def test_the_running_version_is_the_release() -> None:
    assert contract.running_version() == TESTED_VERSION


def test_a_hummingbot_without_a_version_has_an_unknown_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "hummingbot", types.SimpleNamespace(__file__=str(tmp_path / "__init__.py")))
    assert contract.running_version() == "of an unknown version"
    (tmp_path / "VERSION").write_text("dev-2.99.0\n")
    assert contract.running_version() == "dev-2.99.0"


def test_setup_names_the_tested_version() -> None:
    tree = ast.parse((ROOT / "setup.py").read_text())
    (wanted,) = [
        node.value for node in ast.walk(tree) if isinstance(node, ast.Assign) and node.targets[0].id == "HUMMINGBOT"
    ]
    assert ast.literal_eval(wanted) == [f"hummingbot=={TESTED_VERSION}"]


def make_connector() -> Any:
    return importlib.import_module("backpack_connector.backpack_exchange").BackpackExchange("", "")


def make_candles() -> Any:
    return importlib.import_module("backpack_connector.backpack_spot_candles").BackpackSpotCandles("SOL-USDC")


@pytest.mark.parametrize("make", [make_connector, make_candles])
def test_nothing_is_made_on_a_hummingbot_that_does_not_fit(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(owner_of(TRACKER), "process_order_not_found")
    with pytest.raises(contract.HummingbotChanged, match="ClientOrderTracker has no process_order_not_found"):
        make()
