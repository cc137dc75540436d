"""Have schemathesis call every operation with what the official specification allows, and with what it does not.

Run by tests/judges/test_outside.py in .venv-judges: python schemathesis_session.py REST_URL SPECIFICATION EXAMPLES
Requests are signed here, from what is really sent and by the rules of API §1.4, without the project's own code. It ends
with status 0 and one JSON object on stdout; with status 1 and what schemathesis complains about otherwise.
"""

import base64
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
import schemathesis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks as openapi_checks

Schema = dict[str, Any]
SEED = 6
WIDTHS = {
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (32, 64)},
}
ASSETS = ["SOL", "USDC", "BTC", "ETH"]
MARKETS = ["SOL_USDC", "SOL_USDC_PERP", "BTC_USDC", "NOPE_USDC"]
ABOUT_ASSETS = ("get_max_borrow_quantity", "get_max_withdrawal_quantity")
CHECKS = [
    schemathesis.checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
]


# What is known to be different, each with its source. A rule changes the specification before schemathesis reads it.
def fields_that_are_not_set_are_null(document: Schema) -> None:
    """Source: schemas.md, first list ("wire reality"); API §2.3."""
    for schema in objects(document):
        if is_sent(schema):
            continue
        required = set(schema.get("required", ()))
        for name, part in schema.get("properties", {}).items():
            if name not in required:
                schema["properties"][name] = {**part, "nullable": True} if "type" in part else nullable(part)


def is_sent(schema: Schema) -> bool:
    """Tell whether an object is the body of a request; whether null may stand in it is not known (API §1.4)."""
    return bool(schema.get("title", "").endswith(("Payload", "Request")))


def nullable(part: Schema) -> Schema:
    return {"anyOf": [part, {"type": "string", "enum": [None], "nullable": True}]}


def what_cannot_be_parsed_is_refused_in_plain_text(document: Schema) -> None:
    """Source: API §4.4. Where the specification has no 400 at all, what is read from the query can fail too."""
    for operation in operations(document):
        answer = operation["responses"].setdefault("400", {"description": "", "content": json_error()})
        answer["content"] = {**answer.get("content", json_error()), "text/plain": {"schema": {"type": "string"}}}


def integers_have_their_width(document: Schema) -> None:
    """The file says it by format only, which schemathesis does not read."""
    for schema in parts(document):
        if schema.get("format") in WIDTHS:
            schema["minimum"], schema["maximum"] = WIDTHS[schema["format"]]


def requests_can_be_too_many(document: Schema) -> None:
    """Source: API §2.1."""
    for operation in operations(document):
        operation["responses"].setdefault("429", {"description": "", "content": json_error()})


def a_closed_market_has_no_depth(document: Schema) -> None:
    """Source: API §2.3 (depth): 404."""
    document["paths"]["/api/v1/depth"]["get"]["responses"]["404"] = {"description": "", "content": json_error()}


def pairs_have_two_elements(document: Schema) -> None:
    """The file says `maxLength` of lists where it means `maxItems`."""
    for schema in parts(document):
        if schema.get("type") == "array":
            for wrong, right in (("maxLength", "maxItems"), ("minLength", "minItems")):
                if wrong in schema:
                    schema[right] = schema.pop(wrong)


def symbols_are_mostly_real(document: Schema) -> None:
    """Not a difference: without it no generated order would reach a market, and no loan an asset."""
    for schema in objects(document):
        part = schema["properties"].get("symbol", {})
        if is_sent(schema) and part.get("type") == "string":
            part["enum"] = MARKETS
        elif is_sent(schema) and "CustodyAsset" in str(part):
            schema["properties"]["symbol"] = {"type": "string", "enum": ASSETS}
    for operation in operations(document):
        names = ASSETS if operation["operationId"] in ABOUT_ASSETS else MARKETS
        for parameter in operation.get("parameters", ()):
            if parameter["name"] == "symbol" and parameter["schema"].get("type") == "string":
                parameter["schema"]["enum"] = names


def candles_are_asked_for_recent_times(document: Schema, now_s: int) -> None:
    """Not a difference: almost all that fits into 64 bits is too long ago, or too long."""
    for parameter in document["paths"]["/api/v1/klines"]["get"]["parameters"]:
        if parameter["name"] in ("startTime", "endTime"):
            parameter["schema"]["enum"] = [now_s - 60, now_s]


def requests_are_signed_here(document: Schema) -> None:
    """Not a difference: the headers of a signature cannot be made up. Wrong ones have tests of their own."""
    for operation in operations(document):
        headers = [row for row in operation.get("parameters", ()) if row["in"] != "header"]
        if "parameters" in operation:
            operation["parameters"] = headers


def accounts_are_asked_about_themselves(document: Schema) -> None:
    """Source: API §2.2: the query parameter `subaccountId` was removed from two operations."""
    for path in ("/api/v1/capital/collateral", "/wapi/v1/history/funding"):
        operation = document["paths"][path]["get"]
        operation["parameters"] = [row for row in operation["parameters"] if row["name"] != "subaccountId"]


RULES: tuple[Callable[[Schema], None], ...] = (
    pairs_have_two_elements,
    integers_have_their_width,
    requests_are_signed_here,
    accounts_are_asked_about_themselves,
    fields_that_are_not_set_are_null,
    what_cannot_be_parsed_is_refused_in_plain_text,
    requests_can_be_too_many,
    a_closed_market_has_no_depth,
)


def nothing_else_is_sent(document: Schema) -> None:
    """Not a difference: how fields that nobody knows would be signed is not known (API §1.4)."""
    for schema in objects(document):
        if is_sent(schema):
            schema["additionalProperties"] = False


def only_what_limit_orders_need(document: Schema) -> None:
    """Not a difference: most of what may be sent with an order excludes something else."""
    payload = document["components"]["schemas"]["OrderExecutePayload"]
    kept = ("clientId", "orderType", "postOnly", "price", "quantity", "side", "symbol")
    payload["properties"] = {name: payload["properties"][name] for name in kept}
    payload["properties"]["orderType"] = {"type": "string", "enum": ["Limit"]}
    payload["properties"]["price"] = {"type": "string", "enum": ["149.5", "150"]}
    payload["properties"]["quantity"] = {"type": "string", "enum": ["0.01", "1"]}
    payload["required"] = ["orderType", "price", "quantity", "side", "symbol"]


def json_error() -> Schema:
    return {"application/json; charset=utf-8": {"schema": {"$ref": "#/components/schemas/ApiErrorResponse"}}}


def operations(document: Schema) -> Iterator[Schema]:
    for methods in document["paths"].values():
        yield from methods.values()


def parts(node: Any) -> Iterator[Schema]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from parts(child)
    elif isinstance(node, list):
        for child in node:
            yield from parts(child)


def objects(document: Schema) -> Iterator[Schema]:
    for schema in list(parts(document["components"]["schemas"])):
        if isinstance(schema.get("properties"), dict):
            yield schema


class Signature(requests.auth.AuthBase):
    """Sign what is really sent. Source: API §1.4."""

    def __init__(self, instruction: str, now_ms: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([61]) * 32)
        self._instruction = instruction
        self._now_ms = now_ms

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if request.method == "GET":
            fields: Any = dict(parse_qsl(urlsplit(request.url or "").query, keep_blank_values=True))
        else:
            fields = json.loads(request.body or b"{}", parse_float=Decimal) if is_json(request.body) else {}
        signed = "&".join(map(self._text, fields if isinstance(fields, list) else [fields]))
        end = f"timestamp={self._now_ms}&window=5000"
        signature = self._key.sign(f"{signed}&{end}".encode("utf-8", "surrogatepass"))
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        request.headers["X-API-Key"] = base64.b64encode(public).decode()
        request.headers["X-Signature"] = base64.b64encode(signature).decode()
        request.headers["X-Timestamp"] = str(self._now_ms)
        request.headers["X-Window"] = "5000"
        return request

    def _text(self, fields: Any) -> str:
        pairs = sorted(fields.items()) if isinstance(fields, dict) else []
        return "&".join([f"instruction={self._instruction}", *(f"{name}={text(value)}" for name, value in pairs)])


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, separators=(",", ":"))


def is_json(body: Any) -> bool:
    try:
        json.loads(body)
    except (TypeError, ValueError):
        return False
    return True


def plausible_decimals() -> st.SearchStrategy[str]:
    """Return prices and quantities that an order may have, and some that none has."""
    usual = st.sampled_from(["1", "0.01", "2.5", "150", "149.5", "100000", "0.000001"])
    return st.one_of(usual, st.decimals(0, 10**6, places=3).map(lambda number: f"{number:f}"))


class Session:
    """One run over all operations."""

    def __init__(self, rest_url: str, examples: int) -> None:
        self._url = rest_url
        self._examples = examples
        self._http = requests.Session()
        self.statuses: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        """Answers with success to what the specification allows, by operation."""
        self.complaints: list[str] = []

    def now_ms(self) -> int:
        return int(self._http.get(f"{self._url}/api/v1/time").text)

    def run(self, document: Schema, mode: GenerationMode, only: str = "") -> None:
        schema = schemathesis.openapi.from_dict(document)
        for found in schema.get_all_operations():
            operation = found.ok()
            raw = document["paths"][operation.path][operation.method.lower()]
            # An operation without parameters has no wrong ones.
            has_parameters = raw.get("parameters") or "requestBody" in raw
            if raw["operationId"].startswith(only) and (mode is GenerationMode.POSITIVE or has_parameters):
                self._judge(operation, raw, mode)

    def _judge(self, operation: Any, raw: Schema, mode: GenerationMode) -> None:
        instruction = re.search(r"nstruction:\*\* `(\w+)`", raw.get("description", ""))
        name = raw["operationId"]

        @seed(SEED)
        @settings(
            max_examples=self._examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            # The limits are tested elsewhere; here so much time passes that they are not reached.
            self._http.post(f"{self._url}/simulator/clock", json={"advanceSeconds": 3}).raise_for_status()
            auth = None if instruction is None else Signature(instruction[1], self.now_ms())
            answer = case.call(base_url=self._url, session=self._http, auth=auth)
            self.statuses[f"{name} {answer.status_code}"] += 1
            self.accepted[name] += mode is GenerationMode.POSITIVE and 200 <= answer.status_code < 300
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as group:
                for failure in group.exceptions:
                    sent = f"{case.method} {answer.request.url} {answer.request.body!r}"
                    self.complaints.append(f"{name} {mode.value}: {failure}\n  {sent}\n  {answer.content[:300]!r}")

        check()


def main(rest_url: str, specification: str, examples: str) -> int:
    random.seed(SEED)
    with open(specification, encoding="utf-8") as file:
        document = json.load(file)
    for rule in RULES:
        rule(document)
    schemathesis.openapi.format("decimal", plausible_decimals())
    session = Session(rest_url, int(examples))
    session.run(document, GenerationMode.NEGATIVE)
    symbols_are_mostly_real(document)
    candles_are_asked_for_recent_times(document, session.now_ms() // 1_000)
    nothing_else_is_sent(document)
    session.run(document, GenerationMode.POSITIVE)
    only_what_limit_orders_need(document)
    session.run(document, GenerationMode.POSITIVE, "execute_order")
    told = {
        "accepted": session.accepted,
        "complaints": session.complaints,
        "statuses": dict(sorted(session.statuses.items())),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    return 1 if session.complaints else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
