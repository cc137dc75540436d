"""Give Hummingbot our connectors under the names `backpack` and `backpack_perpetual`.

Hummingbot derives each connector's module path from the connector's name and imports it. Rules:

1. One import finder swaps the prefix: what Hummingbot imports below `hummingbot.connector.exchange.backpack` is the
   module of `backpack_connector` with the same last name - one module object under two names, never a copy.
2. A prefix is swapped when our package holds its `<name>_utils` module. Until then Hummingbot's own connector of that
   name, if there is one, stays.
3. A swapped prefix is ours entirely: a module that we do not have does not exist, whatever Hummingbot ships there.
   Half a replacement would be worse than none; for the same reason nothing is registered once modules of the built-in
   connector are loaded.
4. Where Hummingbot ships a folder of that name, its directory scan finds our attributes through the finder. Where it
   does not, the rows are added each time it builds its connector settings.
5. Candles and rate source of these names come and go with the connectors (`registration_tables.py`).

`startup.py` calls `start()` in every process that imports Hummingbot; `register()` and `unregister()` do it by hand.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from backpack_connector import __version__, startup
from backpack_connector.hummingbot_contract import HummingbotChanged, check, hummingbot_version, import_failure
from backpack_connector.registration_tables import Tables

SWITCH = "BACKPACK_CONNECTOR"
SETTINGS_MODULE = "hummingbot.client.settings"


class RegistrationError(ImportError):
    """The connectors cannot be put in place; Hummingbot must not run half replaced."""


@dataclass(frozen=True)
class PrefixSwap:
    """One connector name: where Hummingbot looks for it, and the package that answers."""

    connector: str
    hummingbot_prefix: str
    own_prefix: str

    @property
    def utils_module(self) -> str:
        """Hummingbot's name of the module that describes the connector."""
        return f"{self.hummingbot_prefix}.{self.connector}_utils"

    def own_name(self, fullname: str) -> str | None:
        """Translate Hummingbot's module name into ours; None if it lies outside the prefix."""
        if fullname == self.hummingbot_prefix or fullname.startswith(self.hummingbot_prefix + "."):
            return self.own_prefix + fullname[len(self.hummingbot_prefix) :]
        return None

    def is_available(self) -> bool:
        """Tell whether our package describes this connector."""
        return _exists(f"{self.own_prefix}.{self.connector}_utils")

    def loaded_modules(self) -> dict[str, ModuleType]:
        """Collect the loaded modules below Hummingbot's prefix, by Hummingbot's name."""
        return {name: module for name, module in list(sys.modules.items()) if self.own_name(name) is not None}

    def is_ours(self, module: ModuleType) -> bool:
        """Tell our modules from Hummingbot's: ours keep their own name."""
        return module.__name__ == self.own_prefix or module.__name__.startswith(self.own_prefix + ".")


SWAPS = (
    PrefixSwap("backpack", "hummingbot.connector.exchange.backpack", "backpack_connector"),
    PrefixSwap(
        "backpack_perpetual", "hummingbot.connector.derivative.backpack_perpetual", "backpack_perpetual_connector"
    ),
)


# What belongs to a connector but lies elsewhere in Hummingbot: replaced with it, because the built-in one calls methods
# that only the built-in connector has, or asks the exchange as if it were alone.
MODULE_SWAPS = (
    PrefixSwap(
        "backpack",
        "hummingbot.core.rate_oracle.sources.backpack_rate_source",
        "backpack_connector.backpack_rate_source",
    ),
    PrefixSwap(
        "backpack",
        "hummingbot.data_feed.candles_feed.backpack_spot_candles",
        "backpack_connector.backpack_spot_candles",
    ),
    PrefixSwap(
        "backpack_perpetual",
        "hummingbot.data_feed.candles_feed.backpack_perpetual_candles",
        "backpack_perpetual_connector.backpack_perpetual_candles",
    ),
)


class AliasLoader(Loader):
    """Load a module of ours under Hummingbot's name: the same object, which stays what it was."""

    def __init__(self, own_name: str) -> None:
        self.own_name = own_name
        self._own_spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import our module, or take it if it is loaded.

        Raises:   RegistrationError in place of what a Hummingbot without some name that we import would lead to.
        """
        try:
            module = importlib.import_module(self.own_name)
        except RegistrationError:
            raise
        except Exception as error:
            told = import_failure(self.own_name, error)
            if told is None:
                raise
            raise _told_alone(RegistrationError(told)) from error
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing; undo the import system's claim that the module belongs to the alias."""
        module.__spec__ = self._own_spec


class PrefixFinder:
    """The import finder: applies the prefix swaps, and notices when Hummingbot's settings and tables are loaded."""

    def __init__(self, swaps: Sequence[PrefixSwap]) -> None:
        self.swaps = tuple(swaps)
        connectors = {swap.connector for swap in self.swaps}
        self.module_swaps = tuple(swap for swap in MODULE_SWAPS if swap.connector in connectors)
        self.settings: SettingsPatch | None = None
        self.tables = Tables([swap.connector for swap in self.swaps])
        self._after_loading = {SETTINGS_MODULE: self.patch_settings, **self.tables.modules}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer for the swapped prefixes and for what is patched; leave all else to the other finders."""
        if fullname in self._after_loading:
            return self._spec_of_patched(fullname, path, target)
        for swap in (*self.swaps, *self.module_swaps):
            own_name = swap.own_name(fullname)
            if own_name is not None:
                return _spec_of_alias(fullname, own_name)
        return None

    @property
    def loaded(self) -> list[ModuleType]:
        """Return the modules of settings and tables that are loaded already."""
        return [sys.modules[name] for name in self._after_loading if name in sys.modules]

    def put_into(self, module: ModuleType) -> None:
        """Put our rows into a module of settings or tables."""
        _check_module(module)
        self._after_loading[module.__name__](module)

    def patch_settings(self, module: ModuleType) -> None:
        """Add our rows to the settings, now and whenever Hummingbot rebuilds them."""
        self.settings = SettingsPatch(module, self.swaps)

    def _spec_of_patched(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in sys.meta_path:
            find_spec = getattr(finder, "find_spec", None)  # until Python 3.12, finders without it are tolerated
            spec = find_spec(fullname, path, target) if find_spec and finder is not self else None
            if spec is not None:
                _call_after_loading(spec, self.put_into)
                return spec
        return None


class SettingsPatch:
    """Our rows in Hummingbot's connector settings, for a Hummingbot that ships no folders of our names."""

    def __init__(self, module: ModuleType, swaps: Sequence[PrefixSwap]) -> None:
        self._module = module
        self._swaps = swaps
        self._registry: Any = module.AllConnectorSettings
        self._built_in_build = build = self._registry.__dict__["create_connector_settings"]

        def create_connector_settings(cls: Any) -> Any:
            build.__func__(cls)
            self._add_missing_rows()
            return cls.all_connector_settings

        self._registry.create_connector_settings = classmethod(create_connector_settings)
        if self._registry.all_connector_settings:
            self._add_missing_rows()

    def remove(self) -> None:
        """Give Hummingbot its own function and, if settings are built, its own rows again."""
        self._registry.create_connector_settings = self._built_in_build
        rows = self._registry.all_connector_settings
        if not rows:
            return
        ours = {swap.connector for swap in self._swaps}
        for name, row in list(rows.items()):
            if name in ours or row.parent_name in ours:
                del rows[name]
        # The finder is gone by now, so that this is what Hummingbot ships.
        self._add_missing_rows()
        self._registry.initialize_paper_trade_settings(self._registry.paper_trade_connectors_names)

    def _add_missing_rows(self) -> None:
        rows = self._registry.all_connector_settings
        for swap in self._swaps:
            if swap.connector not in rows and _exists(swap.utils_module):
                rows.update(self._rows_of(swap))

    def _rows_of(self, swap: PrefixSwap) -> dict[str, Any]:
        utils = importlib.import_module(swap.utils_module)
        row = self._module.ConnectorSetting(
            name=swap.connector,
            type=self._module.ConnectorType[swap.hummingbot_prefix.split(".")[2].capitalize()],
            example_pair=utils.EXAMPLE_PAIR,
            centralised=utils.CENTRALIZED,
            use_ethereum_wallet=False,
            trade_fee_schema=utils.DEFAULT_FEES,
            config_keys=utils.KEYS,
            is_sub_domain=False,
            parent_name=None,
            domain_parameter=None,
            use_eth_gas_lookup=False,
        )
        rows = {swap.connector: row}
        for domain in getattr(utils, "OTHER_DOMAINS", ()):
            rows[domain] = row._replace(
                name=domain,
                example_pair=utils.OTHER_DOMAINS_EXAMPLE_PAIR[domain],
                trade_fee_schema=utils.OTHER_DOMAINS_DEFAULT_FEES[domain],
                config_keys=utils.OTHER_DOMAINS_KEYS[domain],
                is_sub_domain=True,
                parent_name=swap.connector,
                domain_parameter=utils.OTHER_DOMAINS_PARAMETER[domain],
            )
        return rows


def start() -> PrefixFinder | None:
    """Register unless the user has switched the plugin off; called when Hummingbot is imported."""
    return register() if is_switched_on() else None


def is_switched_on() -> bool:
    """Read the switch BACKPACK_CONNECTOR: `off` leaves Hummingbot's built-in connectors in place."""
    value = os.environ.get(SWITCH, "").strip().lower()
    if value not in ("", "on", "off"):
        raise RegistrationError(f"{SWITCH} must be on or off, not {value!r}.")
    return value != "off"


def register() -> PrefixFinder:
    """Put our connectors in place of Hummingbot's; a second call changes nothing.

    Raises:   RegistrationError if modules of a built-in Backpack connector are loaded already, or if Hummingbot's
              tables are not as they were in the version that this is made for.
    """
    present = _registered()
    if present is not None:
        return present
    finder = PrefixFinder([swap for swap in SWAPS if swap.is_available()])
    loaded = [
        name for swap in finder.swaps for name, module in swap.loaded_modules().items() if not swap.is_ours(module)
    ]
    if loaded:
        raise RegistrationError(
            "The Backpack connectors must be registered before Hummingbot's own are imported, and these are loaded: "
            f"{', '.join(sorted(loaded))}."
        )
    for module in finder.loaded:  # all of them before the first is changed
        _check_module(module)
    # To insert is safe while another thread walks over the list, to replace or remove the watcher would not be.
    sys.meta_path.insert(0, finder)
    for module in finder.loaded:
        finder.put_into(module)
    return finder


def unregister() -> None:
    """Leave Hummingbot as it was before, for the rest of this process or until `register()`."""
    for watcher in _watchers():
        watcher.has_decided = True
    finder = _registered()
    if finder is None:
        return
    sys.meta_path.remove(finder)
    for swap in (*finder.swaps, *finder.module_swaps):
        for name in swap.loaded_modules():
            del sys.modules[name]
            parent, _, child = name.rpartition(".")
            # Importing had set the module as an attribute of its parent; below our prefix the parent is ours.
            if name == swap.hummingbot_prefix and parent in sys.modules:
                vars(sys.modules[parent]).pop(child, None)
    if finder.settings is not None:
        finder.settings.remove()
    finder.tables.restore()


@dataclass(frozen=True)
class ActiveConnector:
    """Who answers to a connector name in a process of this environment: plugin, built-in, or none."""

    name: str
    implementation: str
    location: str | None


@dataclass(frozen=True)
class Status:
    """What a Hummingbot started in this environment would use."""

    version: str
    is_switched_on: bool
    is_start_up_file_active: bool
    hummingbot_version: str | None
    hummingbot_location: str | None
    connectors: tuple[ActiveConnector, ...]
    simulator_key_files: tuple[str, ...]
    """Stored keys of connectors that only this plugin has: without it, Hummingbot fails to log in while they exist."""


def status() -> Status:
    """Ask the import system which implementation answers to each name; needs no Hummingbot.

    Raises:   RegistrationError if Hummingbot is there and cannot be imported.
    """
    is_active = bool(_watchers())
    spec = importlib.util.find_spec("hummingbot")
    if spec is None or spec.origin is None:
        return Status(__version__, is_switched_on(), is_active, None, None, (), ())
    folder = Path(spec.origin).parent
    try:
        connectors = tuple(_active_connector(swap) for swap in SWAPS)
    except RegistrationError:
        raise
    except ImportError as error:
        raise RegistrationError(f"Hummingbot in {folder} cannot be imported: {error}") from error
    key_files = tuple(str(path) for path in (folder.parent / "conf" / "connectors").glob("backpack*_simulator.yml"))
    return Status(
        __version__, is_switched_on(), is_active, hummingbot_version(folder), str(folder), connectors, key_files
    )


def _active_connector(swap: PrefixSwap) -> ActiveConnector:
    loaded = sys.modules.get(swap.hummingbot_prefix)
    if loaded is not None:
        # A module of ours that is loaded keeps its own name and loader, so that its spec does not tell.
        return _connector_at(swap, "plugin" if swap.is_ours(loaded) else "built-in", loaded.__file__)
    try:
        # This imports the package above the connectors, as any start of Hummingbot does, but no connector.
        spec = importlib.util.find_spec(swap.hummingbot_prefix)
    except ModuleNotFoundError as error:
        if error.name is None or not swap.hummingbot_prefix.startswith(error.name):
            raise
        spec = None
    if spec is None or spec.origin is None:
        return ActiveConnector(swap.connector, "none", None)
    return _connector_at(swap, "plugin" if isinstance(spec.loader, AliasLoader) else "built-in", spec.origin)


def _connector_at(swap: PrefixSwap, implementation: str, file: str | None) -> ActiveConnector:
    return ActiveConnector(swap.connector, implementation, str(Path(file).parent) if file else None)


def _check_module(module: ModuleType) -> None:
    try:
        check(module.__name__)
    except HummingbotChanged as error:
        raise _told_alone(RegistrationError(str(error))) from None


def _told_alone(error: RegistrationError) -> RegistrationError:
    """Have the interpreter print the sentence without a traceback, which would bury it, where nobody catches it."""
    show = sys.excepthook

    def show_sentence(kind: type[BaseException], raised: BaseException, traceback: TracebackType | None) -> None:
        if raised is error:
            sys.stderr.write(f"{raised}\n")
        else:
            show(kind, raised, traceback)

    sys.excepthook = show_sentence
    return error


def _watchers() -> list[startup.HummingbotWatcher]:
    return [finder for finder in sys.meta_path if isinstance(finder, startup.HummingbotWatcher)]


def _registered() -> PrefixFinder | None:
    return next((finder for finder in sys.meta_path if isinstance(finder, PrefixFinder)), None)


def _exists(module_name: str) -> bool:
    try:
        return importlib.util.find_spec(module_name) is not None
    except ModuleNotFoundError:
        return False


def _spec_of_alias(fullname: str, own_name: str) -> ModuleSpec:
    own = importlib.util.find_spec(own_name)
    if own is None:
        # Not None as other finders do: some find Hummingbot's own file by its name, whatever the parent package is.
        raise ModuleNotFoundError(f"No module named {fullname!r}: the plugin has no {own_name}.", name=fullname)
    is_package = own.submodule_search_locations is not None
    return ModuleSpec(fullname, AliasLoader(own_name), origin=own.origin, is_package=is_package)


def _call_after_loading(spec: ModuleSpec, callback: Callable[[ModuleType], None]) -> None:
    # The loader belongs to this one spec, so that setting its method touches no other module, and the module keeps
    # a real loader, from which tracebacks and inspect read its source.
    loader: Any = spec.loader
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        callback(module)

    loader.exec_module = exec_module
