"""Write deposits, withdrawals and dust conversions as the REST interface shows them. Source: API §2.3, schemas.

Keys of fiat money are null, as in captured rows.
"""

from backpack_connector.protocol.units import decimal_text, iso_from_us

from .capital_dust import DustConversion
from .capital_records import Deposit, KnownAddress, Withdrawal, WithdrawalDelay
from .payloads import Json

_FIAT_WITHDRAWAL_KEYS = (
    "accountIdentifier",
    "bankIdentifier",
    "bankName",
    "fiatFee",
    "fiatState",
    "fiatSymbol",
    "providerId",
)


def deposit_payload(deposit: Deposit) -> Json:
    """Return a deposit."""
    return {
        "createdAt": iso_from_us(deposit.created_us),
        "fiatAmount": None,
        "fiatCurrency": None,
        "fromAddress": deposit.from_address,
        "id": deposit.deposit_id,
        "institutionBic": None,
        "platformMemo": None,
        "quantity": decimal_text(deposit.quantity),
        "source": deposit.source,
        "status": deposit.status.value,
        "symbol": deposit.symbol,
        "toAddress": deposit.to_address,
        "transactionHash": deposit.transaction_hash,
    }


def withdrawal_payload(withdrawal: Withdrawal) -> Json:
    """Return a withdrawal; `identifier` is null even when it was sent, as captured."""
    request, trigger_us = withdrawal.request, withdrawal.trigger_us
    return {
        **dict.fromkeys(_FIAT_WITHDRAWAL_KEYS),
        "blockchain": request.blockchain.value,
        "clientId": request.client_id,
        "createdAt": iso_from_us(withdrawal.created_us),
        "fee": decimal_text(withdrawal.fee),
        "id": withdrawal.withdrawal_id,
        "identifier": None,
        "isInternal": withdrawal.receiver_id is not None,
        "quantity": decimal_text(request.quantity),
        "status": withdrawal.status.value,
        "subaccountId": None,
        "symbol": request.symbol,
        "toAddress": request.address,
        "transactionHash": withdrawal.transaction_hash,
        "triggerAt": None if trigger_us is None else iso_from_us(trigger_us),
    }


def dust_payload(conversion: DustConversion) -> Json:
    """Return a dust conversion."""
    return {
        "id": conversion.conversion_id,
        "quantity": decimal_text(conversion.quantity),
        "symbol": conversion.symbol,
        "timestamp": iso_from_us(conversion.time_us),
        "usdcReceived": decimal_text(conversion.usdc),
    }


def delay_payload(delay: WithdrawalDelay) -> Json:
    """Return a withdrawal delay."""
    from_us = delay.pending_from_us
    return {
        "currentWithdrawalDelayHours": delay.hours,
        "pendingWithdrawalDelayHours": delay.pending_hours,
        "pendingWithdrawalDelayHoursEnabledAt": None if from_us is None else iso_from_us(from_us),
    }


def known_address_payload(known: KnownAddress) -> Json:
    """Return an entry of an address book."""
    return {
        "address": known.address,
        "blockchain": known.blockchain.value,
        "twoFactorRequired": known.needs_two_factor,
        "whitelisted": known.is_whitelisted,
    }
