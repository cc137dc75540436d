"""Learn from the exchange's margin reports what the model of the margin lacks, although both keep moving meanwhile.

What is learnt is a residual: report - model. A report tells the account as it was at some moment between question and
answer; which events it knows is not said, and messages of several streams need not arrive in the order of events. So
each report limits the residual only to an interval, wider than everything that moved the model in that time, and the
residual moves into it and no further. A busy moment teaches nothing, a quiet one everything; where the model lacks
nothing, the residual stays zero.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

ZERO = Decimal(0)
_MOST_OPEN_QUESTIONS = 16
# An event may have moved the account more than it moves the model that hears of it later, at another mark price.
_MARGIN_OF_ERROR = 2


class Margin(NamedTuple):
    """Figures of the model, in USDC."""

    equity: Decimal
    available: Decimal
    available_at_most: Decimal
    """If no order that is on its way has reached the exchange."""

    def minus(self, other: "Margin") -> "Margin":
        """Return the difference, figure by figure."""
        return Margin(*(mine - its for mine, its in zip(self, other, strict=True)))


@dataclass
class _Range:
    low: Decimal
    high: Decimal

    def residual(self, reported: Decimal, residual: Decimal) -> Decimal:
        """Return the residual nearest to the given one that explains the report."""
        return min(max(residual, reported - self.high), reported - self.low)


class _Question:
    """What the model may have been at the moment that an answer tells of."""

    def __init__(self, margin: Margin) -> None:
        self.equity = _Range(margin.equity, margin.equity)
        self.available = _Range(margin.available, margin.available_at_most)

    def widen(self, equity: Decimal, available: Decimal, available_at_most: Decimal) -> None:
        self.equity.low -= abs(equity) * _MARGIN_OF_ERROR
        self.equity.high += abs(equity) * _MARGIN_OF_ERROR
        self.available.low -= available * _MARGIN_OF_ERROR
        self.available.high += available_at_most * _MARGIN_OF_ERROR

    def shift(self, moved: Margin) -> None:
        self.equity.low += moved.equity
        self.equity.high += moved.equity
        self.available.low += moved.available
        self.available.high += moved.available_at_most


@dataclass(frozen=True)
class _Report:
    """The last report, and the residuals before it."""

    equity: Decimal
    available: Decimal
    question: _Question
    residual_equity: Decimal
    residual_available: Decimal
    answered_timestamp: float


class MarginReports:
    """The residuals of net equity and available equity, in USDC."""

    def __init__(self) -> None:
        self.equity = ZERO
        self.available = ZERO
        self._questions: dict[int, _Question] = {}
        self._report: _Report | None = None

    @property
    def is_known(self) -> bool:
        """Tell whether a report has come yet."""
        return self._report is not None

    def ask(self, place: int, margin: Margin) -> None:
        """Note the model as it is when a request is sent. Questions that nobody answers are forgotten in the end."""
        self._questions[place] = _Question(margin)
        if len(self._questions) > _MOST_OPEN_QUESTIONS:
            del self._questions[next(iter(self._questions))]

    def forget(self, place: int) -> None:
        """Forget a request: its answer was no report."""
        self._questions.pop(place, None)

    def moved(self, equity: Decimal, available: Decimal, available_at_most: Decimal, engine_timestamp: float) -> None:
        """Note how far at most something that happened then has moved the model.

        What happened before the last report was answered may be in it, although we hear of it only now. A message must
        not be later than two reports that know of it.
        """
        for question in self._questions.values():
            question.widen(equity, available, available_at_most)
        if self._report is not None and engine_timestamp <= self._report.answered_timestamp:
            self._report.question.widen(equity, available, available_at_most)
            self._settle(self._report)

    def revalued(self, moved: Margin) -> None:
        """Note that the model values the same things otherwise than before."""
        for question in self._questions.values():
            question.shift(moved)

    def take(self, place: int, equity: Decimal, available: Decimal, now: Margin, answered_timestamp: float) -> None:
        """Take the report that was asked for at that place."""
        question = self._questions.pop(place, None) or _Question(now)
        self._report = _Report(equity, available, question, self.equity, self.available, answered_timestamp)
        self._settle(self._report)

    def _settle(self, report: _Report) -> None:
        self.equity = report.question.equity.residual(report.equity, report.residual_equity)
        self.available = report.question.available.residual(report.available, report.residual_available)
