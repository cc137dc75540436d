"""A directional controller that does what a file says: 1 is long, -1 is short, anything else is neither."""

from pathlib import Path

from hummingbot.strategy_v2.controllers.directional_trading_controller_base import (
    DirectionalTradingControllerBase,
    DirectionalTradingControllerConfigBase,
)


class SignalControllerConfig(DirectionalTradingControllerConfigBase):
    controller_name: str = "signal_controller"
    signal_file: str = "data/signal"


class SignalController(DirectionalTradingControllerBase):
    """Hummingbot's own base class opens executors with a triple barrier; only the signal is ours."""

    async def update_processed_data(self) -> None:
        self.processed_data = {"signal": self._read_signal()}

    def _read_signal(self) -> int:
        file = Path(self.config.signal_file)
        text = file.read_text() if file.exists() else ""
        return int(text) if text in ("1", "-1") else 0

    def to_format_status(self) -> list[str]:
        return [f"signal {self.processed_data.get('signal')}"]
