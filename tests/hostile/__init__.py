"""Agents that harm what they can reach, each act tried in every mode and judged by one function (SPEC 1)."""
