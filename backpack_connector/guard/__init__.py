"""Watch running bots from outside, and cancel their orders when they fall silent or the account loses too much."""
