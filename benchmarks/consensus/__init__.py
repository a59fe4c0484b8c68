"""Consensus on recorded answers: how often it is right, and what it costs."""
