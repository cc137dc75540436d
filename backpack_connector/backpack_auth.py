"""Sign Hummingbot's requests; the signing verb comes from the catalogue by method and path (ARCHITECTURE.md, D1)."""

import json
from typing import Any
from urllib.parse import urlsplit

from hummingbot.connector.time_synchronizer import TimeSynchronizer
from hummingbot.core.web_assistant.auth import AuthBase
from hummingbot.core.web_assistant.connections.data_types import RESTRequest, WSRequest

from backpack_connector.protocol.endpoints import Endpoint, endpoint_at
from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.rest import Parameters, RestRequest, build_request
from backpack_connector.protocol.signing import Credentials
from backpack_connector.protocol.streams import subscribe_frame
from backpack_connector.protocol.units import ms_from_seconds


class BackpackAuth(AuthBase):
    """Signs with one key pair and the exchange's time; without keys only public data can be had.

    Raises:   ConfigurationError with one sentence when only one of the two is there, or one is malformed (F26).
    """

    def __init__(self, api_key: str, api_secret: str, time_provider: TimeSynchronizer) -> None:
        self._credentials = Credentials(api_key, api_secret) if api_key or api_secret else None
        self._time_provider = time_provider

    @property
    def account(self) -> str:
        """Return the public key, which names the account; empty without keys."""
        return self._credentials.api_key if self._credentials is not None else ""

    def _required_credentials(self) -> Credentials:
        if self._credentials is None:
            raise ConfigurationError("This needs an API key and an API secret, and none are connected.")
        return self._credentials

    def _timestamp_ms(self) -> int:
        # Hummingbot's synchronizer falls back to the machine's clock in silence while the exchange cannot be asked.
        if not getattr(self._time_provider, "_time_offset_ms", True):
            raise ConfigurationError("The exchange's time is not known yet, so nothing can be signed.")
        return ms_from_seconds(self._time_provider.time())

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        """Add the four authentication headers."""
        path = urlsplit(request.url).path
        row = endpoint_at(request.method.value, path)
        if row is None:
            raise ConfigurationError(f"{request.method.value} {path} is not in the catalogue, so it cannot be signed.")
        parameters: Any = json.loads(request.data) if request.data else dict(request.params or {})
        signed = self.signed_request(row, parameters)
        request.headers = {**(request.headers or {}), **signed.headers}
        return request

    def signed_request(self, row: Endpoint, parameters: Parameters) -> RestRequest:
        """Return the request of a signed operation, stamped now.

        Raises:   ConfigurationError without keys, without the exchange's time, or for what cannot be sent.
        """
        return build_request(
            row, parameters, credentials=self._required_credentials(), timestamp_ms=self._timestamp_ms()
        )

    async def ws_authenticate(self, request: WSRequest) -> WSRequest:
        """Sign a SUBSCRIBE frame."""
        streams = request.payload["params"]
        request.payload = subscribe_frame(streams, self.subscription_signature())
        return request

    def subscription_signature(self, timestamp_ms: int | None = None) -> "list[str]":
        """Return the four texts that a private SUBSCRIBE carries; stamped now unless told otherwise."""
        stamp = self._timestamp_ms() if timestamp_ms is None else timestamp_ms
        return self._required_credentials().subscription_signature(stamp)
