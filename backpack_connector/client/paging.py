"""Read a list page by page to its end, each row once, while new rows may be added at its beginning.

Rule 1: a page begins where the rows received so far end. Rows that came meanwhile push older ones back, so that a page
        may begin with rows that were received before; these are left out. Without a total in the headers this needs
        fewer new rows between two pages than have been received.
Rule 2: a list ends where the headers of the answer say so, or else with an empty page. A page that is not full proves
        nothing: the exchange may allow fewer rows than were asked for.
Source: API §2.0 (pagination).
"""

from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.operations import operation

from .calls import OperationCalls

DEFAULT_PAGE = 1_000

_REMEMBERED = 5_000
"""Of so many rows it is known that they were received; more than these hardly come between two pages."""
_TOTAL, _PAGE_COUNT, _PAGE_SIZE = "x-total", "x-page-count", "x-page-size"


async def rows_of(
    calls: OperationCalls,
    operation_id: str,
    given: Mapping[str, Any],
    *,
    page_size: int | None = None,
    most: int | None = None,
    is_raw: bool = False,
) -> AsyncIterator[Any]:
    """Yield the rows of an operation with pages, up to `most` of them, in the order of the exchange.

    `is_raw` yields them as JSON.

    Raises:   ConfigurationError for an operation without pages, or a page size that it does not have; as `call`.
    """
    row = operation(operation_id)
    if not row.page_limit:
        raise ConfigurationError(f"{operation_id} has no pages.")
    if "limit" in given or "offset" in given:
        raise ConfigurationError(
            f"{operation_id}: limit and offset are counted by the iterator; use page_size and most."
        )
    size = _checked_size(operation_id, row.page_limit, page_size, most)
    place = _Place(is_growing_at_its_end="Asc" in (given.get("sortDirection"), given.get("sort_direction")))
    yielded = 0
    while True:
        headers: dict[str, str] = {}
        fields = {**given, "limit": size, "offset": place.offset}
        page = await calls.call(operation_id, fields, answer_headers=headers, is_raw=is_raw)
        is_last = _is_last(headers, place.offset + len(page), len(page))
        for one in place.fresh(page, _count(headers.get(_TOTAL))):
            yield one
            yielded += 1
            if yielded == most:
                return
        if is_last:
            return


class _Place:
    """Where the next page begins, and which rows of a page were not received before."""

    def __init__(self, *, is_growing_at_its_end: bool) -> None:
        self.offset = 0
        self._is_growing_at_its_end = is_growing_at_its_end
        self._received = 0
        self._recent: deque[Any] = deque(maxlen=_REMEMBERED)
        self._total: int | None = None
        self._new_rows = 0
        """How many rows came at the beginning and have not been passed over yet, as far as totals tell."""

    def fresh(self, page: list[Any], total: int | None) -> list[Any]:
        """Return the rows of a page that are not known yet."""
        if total is not None and self._total is not None:
            self._new_rows += max(0, total - self._total)
        is_counted = total is not None and (self._total is not None or not self._received)
        self._total = total
        known = self._known(page, is_counted=is_counted)
        rows = page[known:]
        self.offset += len(page)
        self._received += len(rows)
        self._recent.extend(rows)
        return rows

    def _known(self, page: list[Any], *, is_counted: bool) -> int:
        if self._is_growing_at_its_end or (is_counted and not self._new_rows):
            return 0
        if is_counted and self._new_rows > self._received:  # also rows that nobody has seen, newer than the first one
            known = min(self._new_rows, len(page))
        else:
            known = overlap(list(self._recent), page)
        self._new_rows = max(0, self._new_rows - known) if known else 0
        return known


def overlap(recent: list[Any], page: list[Any]) -> int:
    """Return how many rows at the beginning of a page were received before."""
    for start, row in enumerate(recent):
        if page and row == page[0] and recent[start : start + len(page)] == page[: len(recent) - start]:
            return min(len(recent) - start, len(page))
    return 0


def _checked_size(operation_id: str, largest: int, page_size: int | None, most: int | None) -> int:
    if page_size is not None and not 1 <= page_size <= largest:
        raise ConfigurationError(f"{operation_id}: page_size has to be from 1 to {largest}, not {page_size}.")
    if most is not None and most < 1:
        raise ConfigurationError(f"{operation_id}: most has to be at least 1, not {most}.")
    size = page_size or min(DEFAULT_PAGE, largest)
    return size if most is None or page_size is not None else min(size, most)


def _is_last(headers: Mapping[str, str], position: int, page_length: int) -> bool:
    total, pages, size = (_count(headers.get(name)) for name in (_TOTAL, _PAGE_COUNT, _PAGE_SIZE))
    if not page_length:
        return True
    if total is not None:
        return position >= total
    return bool(pages and size) and (position >= (pages or 0) * (size or 0) or page_length < (size or 0))


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
