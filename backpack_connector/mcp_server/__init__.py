"""Offer the exchange to agents over the Model Context Protocol, within limits that no agent can change."""
