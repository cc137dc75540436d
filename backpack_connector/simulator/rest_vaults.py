"""Answer the REST operations about vaults. Source: API §2.2 (vaults; "Added after May 2026": the two histories)."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from backpack_connector.protocol.candles import DAY_S, WEEK_S
from backpack_connector.protocol.errors import ErrorCode
from backpack_connector.protocol.units import decimal_text, iso_from_us

from .accounts import Account
from .answers import Answer, Page, Prepared
from .clock import HOUR_US, ms_from_us, us_from_s
from .engine import Exchange
from .payloads import Json, optional_text
from .refusals import UNAUTHORIZED, Refusal
from .request_forms import MAX_CLIENT_ID, Payload, Query
from .rest_capital import read_asset
from .vault_shares import Mint, Redeem, RedeemStatus, Snapshot, VaultTerms
from .vaults import Vault

_FORBIDDEN = 403
_MONTH_DAYS, _YEAR_DAYS = 30, 365


class VaultHistoryInterval(str, Enum):
    """How far a vault's history looks back (that it means this is a choice). Source: schema VaultHistoryInterval."""

    DAY = "1d"
    WEEK = "1w"
    MONTH = "1month"
    YEAR = "1year"


_SPANS_US = {
    VaultHistoryInterval.DAY: us_from_s(DAY_S),
    VaultHistoryInterval.WEEK: us_from_s(WEEK_S),
    VaultHistoryInterval.MONTH: us_from_s(DAY_S * _MONTH_DAYS),
    VaultHistoryInterval.YEAR: us_from_s(DAY_S * _YEAR_DAYS),
}
_STEPS_US = {
    VaultHistoryInterval.DAY: HOUR_US,
    VaultHistoryInterval.WEEK: 6 * HOUR_US,
    VaultHistoryInterval.MONTH: us_from_s(DAY_S),
    VaultHistoryInterval.YEAR: us_from_s(WEEK_S),
}
"""Of each step the last snapshot is shown."""


class VaultsRest:
    """The operations of one exchange about vaults."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.public: Mapping[str, Callable[[Query], Any]] = {
            "get_vault_history": self.history,
            "get_vaults": self.vaults,
        }
        self.queries: Mapping[str, Callable[[Query], Prepared]] = {
            "get_vault_mint_history": self.mint_history,
            "get_vault_nav": lambda _: Prepared(self.nav),
            "get_vault_pending_redeems": self.pending_redeems,
            "get_vault_redeem_history": self.redeem_history,
        }
        self.bodies: Mapping[str, Callable[[Any], Prepared]] = {
            "vault_mint": self.mint,
            "vault_redeem": self.redeem,
            "vault_redeem_cancel": self.redeem_cancel,
        }

    def _account(self, account_id: str) -> Account:
        return self._exchange.open_account(account_id)

    def _vault(self, vault_id: int) -> Vault:
        return self._exchange.vaults.vault(vault_id)

    def _vaults_of(self, query: Query) -> list[Vault]:
        vault_id = query.integer("vaultId", maximum=MAX_CLIENT_ID)
        return [vault for vault in self._exchange.vaults.vaults.values() if vault_id in (None, vault.terms.vault_id)]

    def vaults(self, _: Query) -> list[Json]:
        """Answer get_vaults."""
        return [_vault_payload(vault) for vault in self._exchange.vaults.vaults.values()]

    def history(self, query: Query) -> list[Json]:
        """Answer get_vault_history, oldest first."""
        interval = query.required_word("interval", VaultHistoryInterval)
        since_us, step_us = self._exchange.now_us() - _SPANS_US[interval], _STEPS_US[interval]
        rows = []
        for vault in self._vaults_of(query):
            last_of_step = {row.time_us // step_us: row for row in vault.snapshots if row.time_us >= since_us}
            rows += [_snapshot_payload(vault.terms.vault_id, row) for row in last_of_step.values()]
        return rows

    def mint(self, body: Any) -> Prepared:
        """Answer vault_mint with an empty body."""
        payload = Payload(body, "VaultMintRequest")
        vault_id, symbol, quantity = (
            payload.uint32("vaultId"),
            read_asset(payload),
            payload.required_decimal("quantity"),
        )
        redeems, borrows = bool(payload.flag("autoLendRedeem")), bool(payload.flag("autoBorrow"))

        def run(account_id: str) -> Answer:
            account = self._account(account_id)
            execution = self._vault(vault_id).mint(account, symbol, quantity, redeems=redeems, borrows=borrows)
            return Answer(None, executions=(execution,))

        return Prepared(run)

    def redeem(self, body: Any) -> Prepared:
        """Answer vault_redeem with an empty body."""
        payload = Payload(body, "VaultRedeemRequest")
        vault_id, tokens = payload.uint32("vaultId"), payload.decimal("vaultTokenQuantity")
        return Prepared(
            lambda account_id: Answer(
                None, executions=(self._vault(vault_id).request_redeem(self._account(account_id), tokens),)
            )
        )

    def redeem_cancel(self, body: Any) -> Prepared:
        """Answer vault_redeem_cancel with an empty body."""
        vault_id = Payload(body, "VaultRedeemCancelRequest").uint32("vaultId")
        return Prepared(
            lambda account_id: Answer(
                None, executions=(self._vault(vault_id).cancel_redeem(self._account(account_id)),)
            )
        )

    def pending_redeems(self, query: Query) -> Prepared:
        """Answer get_vault_pending_redeems, for the vault's own key only."""
        vault_id = query.required_integer("vaultId", maximum=MAX_CLIENT_ID)

        def run(account_id: str) -> Answer:
            vault = self._vault(vault_id)
            if vault.account_id != account_id:
                raise Refusal(ErrorCode.FORBIDDEN, "Forbidden", _FORBIDDEN)
            return Answer([_redeem_payload(vault.terms, row) for row in vault.pending()])

        return Prepared(run)

    def nav(self, account_id: str) -> Answer:
        """Answer get_vault_nav, for a vault's own key only: 401 for all others, as no 403 is documented."""
        vault = self._exchange.vaults.owned_by(account_id)
        if vault is None:
            raise Refusal(ErrorCode.UNAUTHORIZED, "Unauthorized", UNAUTHORIZED)
        nav = vault.nav(self._exchange.now_us())
        return Answer(
            {
                "lastCrankTimestamp": None if vault.last_crank_us is None else ms_from_us(vault.last_crank_us),
                "mintNav": decimal_text(nav.mint),
                "nav": decimal_text(nav.spot),
                "netEquity": decimal_text(vault.net_equity()),
                "redeemNav": decimal_text(nav.redeem),
                "tokenCirculatingSupply": decimal_text(vault.supply),
                "twapNav": decimal_text(nav.average),
                "vaultEquity": decimal_text(vault.equity()),
            }
        )

    def mint_history(self, query: Query) -> Prepared:
        """Answer get_vault_mint_history."""
        vaults, page = self._vaults_of(query), Page(query)

        def run(account_id: str) -> Answer:
            rows = [(vault.terms, row) for vault in vaults for row in vault.mints(account_id)]
            return page.answer(rows, lambda pair: _mint_payload(*pair))

        return Prepared(run)

    def redeem_history(self, query: Query) -> Prepared:
        """Answer get_vault_redeem_history: a row for each thing that happened to a request."""
        vaults, page = self._vaults_of(query), Page(query)

        def run(account_id: str) -> Answer:
            rows = [(vault.terms, row) for vault in vaults for row in vault.redeems(account_id)]
            return page.answer(rows, lambda pair: _redeem_payload(*pair))

        return Prepared(run)


def _vault_payload(vault: Vault) -> Json:
    terms = vault.terms
    return {
        "id": terms.vault_id,
        "minMintQuantity": decimal_text(terms.minimum_mint),
        "minRedeemTokens": decimal_text(terms.minimum_redeem),
        "mintsEnabled": True,
        "redeemDelayMs": ms_from_us(terms.redeem_delay_us),
        "redeemsEnabled": True,
        "remainingMintQuantity": decimal_text(vault.remaining),
        "symbol": terms.symbol,
        "tokenStepSize": decimal_text(terms.token_step),
        "vaultToken": terms.token,
    }


def _mint_payload(terms: VaultTerms, mint: Mint) -> Json:
    return {
        "id": mint.mint_id,
        "nav": decimal_text(mint.nav),
        "quantity": decimal_text(mint.quantity),
        "symbol": terms.symbol,
        "timestamp": ms_from_us(mint.time_us),
        "vaultId": terms.vault_id,
        "vaultToken": terms.token,
        "vaultTokensMinted": decimal_text(mint.tokens),
    }


def _redeem_payload(terms: VaultTerms, redeem: Redeem) -> Json:
    is_redeemed = redeem.status is RedeemStatus.REDEEMED
    return {
        "id": redeem.redeem_id,
        "nav": optional_text(redeem.nav),
        "quantity": optional_text(redeem.quantity),
        "reason": redeem.reason,
        "status": redeem.status.value,
        "symbol": terms.symbol if is_redeemed else None,
        "timestamp": ms_from_us(redeem.time_us),
        "vaultId": terms.vault_id,
        "vaultToken": terms.token if is_redeemed else None,
        "vaultTokenQuantity": decimal_text(redeem.tokens),
    }


def _snapshot_payload(vault_id: int, snapshot: Snapshot) -> Json:
    return {
        "nav": decimal_text(snapshot.nav),
        "timestamp": f"{iso_from_us(snapshot.time_us)}Z",
        "tokenCirculatingSupply": decimal_text(snapshot.supply),
        "vaultEquity": decimal_text(snapshot.equity),
        "vaultId": vault_id,
    }
