"""Say why goals are missed where they are: shown in BENCHMARKS.md beside a goal that a run missed, and only there."""

REASONS: dict[tuple[str, str], str] = {}
"""By experiment and metric, as `rows` names them; one or two sentences each."""
