"""The Backpack perpetual connector: what a perpetual market has beyond the spot connector it builds on."""
