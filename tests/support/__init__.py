"""Helpers the tests share: fakes, fault injectors, transcripts."""
