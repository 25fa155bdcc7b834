"""Answers to requests, by what they ask for."""
