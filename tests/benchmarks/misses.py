"""Say why goals are missed where they are: shown in BENCHMARKS.md beside a goal that a run missed, and only there."""

REASONS: dict[tuple[str, str], str] = {
    ("sign", "us"): (
        "The signature is 19 us of the floor's 22; limits, the exchange's time, latencies and the handling of what may"
        " go wrong, which the floor has not, take more than the 3 us that are left."
    ),
    ("window", "p99_ms"): (
        "A timer in a process that does nothing else is as late on this machine, as the floor shows: others used it."
    ),
    ("cancel_all", "ms"): (
        "One request an order, because the exchange cancels either one order or all of a market, somebody else's"
        " included (ARCHITECTURE.md, D27); the next row is for accounts that are the bot's alone."
    ),
    ("books-small", "us"): (
        "0.85 us are msgspec, 1.1 us Hummingbot's own book, 0.7 us Python in between; less takes compiled code."
    ),
    ("books-small", "single_us"): "As above, and a frame that comes alone finds cold caches.",
    ("books-large", "us"): (
        "Turning 100 pairs of text into objects is msgspec's work; the floor makes none. Less takes compiled code."
    ),
    ("stream-5000", "burst_per_s"): (
        "Server and client share two cores, so rounds of one run lie between 33,000 and 197,000."
    ),
    ("stream-5000", "cpu_us"): (
        "aiohttp's reader and two turns of the event loop for each frame are three quarters of it, and count for the"
        " built-in connector in the same way."
    ),
    **dict.fromkeys(
        (("fills", "us_20_0"), ("fills", "us_20_60"), ("fills", "us_40_600")),
        "Some thirty calls ask what the floor does not: whose order, which market, possible, new, told before.",
    ),
}
"""By experiment and metric, as `rows` names them; one or two sentences each."""
