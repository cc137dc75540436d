"""Write rows into a Parquet file, exactly: decimals as decimals, times as UTC times in milliseconds."""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation
from pathlib import Path
from typing import Any

from backpack_connector.cli.export_files import Column, Kind
from backpack_connector.protocol.errors import ConfigurationError, WireFormatError, shown
from backpack_connector.protocol.units import decimal_from_text, ms_from_seconds, seconds_from_iso

MISSING = "Parquet files need pyarrow. Try: pip install pyarrow; or write a .csv file."
_ROWS_AT_ONCE = 10_000
_DIGITS = 38
_PLACES = {Kind.AMOUNT: 18, Kind.RATE: 30}
_EXACT = Context(prec=_DIGITS, traps=[Inexact, InvalidOperation])


class ParquetRows:
    """Rows of a Parquet file, written in groups of ten thousand.

    Raises:   ConfigurationError when pyarrow is not installed.
    """

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise ConfigurationError(MISSING) from None
        self._arrow: Any = pyarrow
        self._columns = columns
        self._schema = pyarrow.schema([(column.name, self._type_of(column.kind)) for column in columns])
        self._rows: list[Mapping[str, Any]] = []
        self._writer: Any = pyarrow.parquet.ParquetWriter(str(path), self._schema)

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one row.

        Raises:   ConfigurationError for a number that would have to be rounded.
        """
        self._rows.append({column.name: value_of(column, row.get(column.name)) for column in self._columns})
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def close(self) -> None:
        """Write what is left, and end the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []

    def _type_of(self, kind: Kind) -> Any:
        if kind in _PLACES:
            return self._arrow.decimal128(_DIGITS, _PLACES[kind])
        types = {
            Kind.TEXT: self._arrow.string(),
            Kind.WHOLE: self._arrow.int64(),
            Kind.FLAG: self._arrow.bool_(),
            Kind.TIME: self._arrow.timestamp("ms", tz="UTC"),
        }
        return types[kind]


def value_of(column: Column, value: Any) -> Any:
    """Return what a column of Parquet holds for a value of the exchange.

    Raises:   ConfigurationError for a value that the column cannot hold as it is.
    """
    if value is None or isinstance(value, bool):
        return value
    try:
        if column.kind in _PLACES:
            return _decimal(value, _PLACES[column.kind])
        if column.kind is Kind.WHOLE:
            return int(value)
        if column.kind is Kind.TIME:
            return value if isinstance(value, int) else ms_from_seconds(seconds_from_iso(value))
    except (ValueError, TypeError, InvalidOperation, Inexact, WireFormatError):
        raise ConfigurationError(
            f"{column.name} {shown(str(value))} does not fit into a Parquet file as it is; write a .csv file."
        ) from None
    return str(value)


def _decimal(value: Any, places: int) -> Decimal:
    number = value if isinstance(value, Decimal) else decimal_from_text(value)
    return number.quantize(Decimal(1).scaleb(-places), context=_EXACT)
