"""Put what belongs to our connectors into Hummingbot's tables: candles, sources of the rate oracle, expected fees.

Hummingbot fills these tables with its own classes where they stand. Ours come in when the table's module is loaded, for
a Hummingbot that ships rows of our names and for one that ships none; `restore` gives back what Hummingbot ships.
"""

import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from types import ModuleType
from typing import Any, Union

CANDLES_MODULE = "hummingbot.data_feed.candles_feed.candles_factory"
RATE_ORACLE_MODULE = "hummingbot.core.rate_oracle.rate_oracle"
CONFIGURATION_MODULE = "hummingbot.client.config.client_config_map"
FEES_MODULE = "hummingbot.client.config.fee_overrides_config_map"

# Connector, where our candles are, and where Hummingbot's are and how their class is called, if it ships them.
_CANDLES = (
    (
        "backpack",
        "backpack_connector.backpack_spot_candles",
        ("hummingbot.data_feed.candles_feed.backpack_spot_candles", "BackpackSpotCandles"),
    ),
    (
        "backpack_perpetual",
        "backpack_perpetual_connector.backpack_perpetual_candles",
        ("hummingbot.data_feed.candles_feed.backpack_perpetual_candles", "BackpackPerpetualCandles"),
    ),
)
_SOURCE = "backpack"
_SOURCE_CLASSES = {_SOURCE: "BackpackRateSource", "backpack_simulator": "BackpackSimulatorRateSource"}
_OUR_SOURCE = "backpack_connector.backpack_rate_source"
_THEIR_SOURCE = "hummingbot.core.rate_oracle.sources.backpack_rate_source"
_SOURCE_FIELD = "rate_oracle_source"


class Tables:
    """Our rows for the connectors that are ours."""

    def __init__(self, connectors: Sequence[str]) -> None:
        self._candles = [row for row in _CANDLES if row[0] in connectors]
        self._has_source = _SOURCE in connectors
        self._added_modes: list[str] = []
        self._prefixes = tuple(f"{connector}_" for connector in connectors)
        self._own_init: Callable[[], None] | None = None

    @property
    def modules(self) -> dict[str, Callable[[ModuleType], None]]:
        """Return what is to be done when one of these modules is loaded."""
        return {
            CANDLES_MODULE: self._put_candles,
            RATE_ORACLE_MODULE: self._put_source,
            CONFIGURATION_MODULE: self._put_modes,
            FEES_MODULE: self._put_fees,
        }

    def restore(self) -> None:
        """Give loaded tables their own rows back; called when our import finder is gone."""
        factory: Any = sys.modules.get(CANDLES_MODULE)
        if factory is not None:
            rows = factory.CandlesFactory._candles_map
            for connector, ours, theirs in self._candles:
                for name in importlib.import_module(ours).CANDLES:
                    rows.pop(name, None)
                _put_back(rows, connector, *theirs)
        oracle: Any = sys.modules.get(RATE_ORACLE_MODULE)
        if oracle is not None and self._has_source:
            for name in _SOURCE_CLASSES:
                oracle.RATE_ORACLE_SOURCES.pop(name, None)
            _put_back(oracle.RATE_ORACLE_SOURCES, _SOURCE, _THEIR_SOURCE, _SOURCE_CLASSES[_SOURCE])
        configuration: Any = sys.modules.get(CONFIGURATION_MODULE)
        if configuration is not None and self._added_modes:
            for name in self._added_modes:
                del configuration.RATE_SOURCE_MODES[name]
            self._added_modes.clear()
            _offer_modes(configuration)
        self._restore_fees()

    def _restore_fees(self) -> None:
        fees: Any = sys.modules.get(FEES_MODULE)
        if fees is not None and self._own_init is not None:
            fees.init_fee_overrides_config, self._own_init = self._own_init, None
            fees.init_fee_overrides_config()

    def _put_fees(self, module: Any) -> None:
        """Read the user's fee overrides of our connectors.

        Hummingbot reads only those of the connectors in a list of its own, which has none of ours, and then writes all
        others back empty.
        """
        if self._own_init is not None:
            return
        rows, own_init = module.fee_overrides_config_map, module.init_fee_overrides_config
        self._own_init = own_init

        def init_fee_overrides_config() -> None:
            own_init()
            _read_fees(rows, self._prefixes)

        module.init_fee_overrides_config = init_fee_overrides_config
        _read_fees(rows, self._prefixes)

    def _put_candles(self, module: Any) -> None:
        for _, ours, _ in self._candles:
            module.CandlesFactory._candles_map.update(importlib.import_module(ours).CANDLES)

    def _put_source(self, module: Any) -> None:
        if self._has_source:
            ours = importlib.import_module(_OUR_SOURCE)
            for name, class_name in _SOURCE_CLASSES.items():
                module.RATE_ORACLE_SOURCES[name] = getattr(ours, class_name)

    def _put_modes(self, module: Any) -> None:
        """Let the user choose our sources in the client's configuration, where they are no choices yet."""
        added = [name for name in _SOURCE_CLASSES if self._has_source and name not in module.RATE_SOURCE_MODES]
        if not added:
            return
        base = module.ExchangeRateSourceModeBase
        for name in added:
            fields = {"__module__": module.__name__, "__annotations__": {"name": str}, "name": name}
            mode = type(base)(f"{_SOURCE_CLASSES[name]}Mode", (base,), {**fields, "model_config": {"title": name}})
            module.RATE_SOURCE_MODES[name] = mode
        self._added_modes += added
        _offer_modes(module)


def _read_fees(rows: dict[str, Any], prefixes: tuple[str, ...]) -> None:
    path = importlib.import_module("hummingbot.client.settings").TRADE_FEES_CONFIG_PATH
    yaml: Any = importlib.import_module("yaml")  # Hummingbot's
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return  # before the first start there is none; of a broken one Hummingbot says what is wrong
    if not isinstance(written, dict):
        return  # an empty file, or one that is no table
    for name, row in rows.items():
        value = written.get(name) if name.startswith(prefixes) else None
        if value not in (None, ""):
            try:
                row.value = _finite(value) if row.type == "decimal" else value
            except InvalidOperation:
                logging.getLogger(__name__).error(f"{name} in {path.name} must be a number, not {value!r}.")


def _finite(value: Any) -> Decimal:
    number = Decimal(str(value))
    if not number.is_finite():
        raise InvalidOperation
    return number


def _put_back(rows: dict[str, Any], name: str, module: str, class_name: str) -> None:
    try:
        rows[name] = getattr(importlib.import_module(module), class_name)
    except ModuleNotFoundError:
        return  # Hummingbot ships none


def _offer_modes(module: Any) -> None:
    """Have the configuration check the choice of a rate source against the table as it is now."""
    choices = module.RATE_SOURCE_MODES
    field = module.ClientConfigMap.model_fields[_SOURCE_FIELD]
    field.annotation = Union[tuple(choices.values())]  # noqa: UP007 - the other notation cannot be made from a tuple
    field.description = f"A source for rate oracle, currently {', '.join(choices)}"
    module.ClientConfigMap.__annotations__[_SOURCE_FIELD] = field.annotation
    module.ClientConfigMap.model_rebuild(force=True)
