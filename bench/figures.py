"""A measured number, the limit it should keep, and a table of all of them."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """One number: what it measures, its unit, and the limit it should keep (None: only reported).

    The limit is a maximum, or with `at_least` a minimum.
    """

    name: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False

    @property
    def kept(self) -> bool | None:
        """Whether the limit is kept; None if there is none."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def table(figures: list[Figure]) -> str:
    """The figures as a table for people."""
    rows = [("what", "measured", "limit", ""), *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip()
        for row in rows
    )


def as_json(figures: list[Figure]) -> dict[str, dict[str, float | str | bool | None]]:
    """The figures as one JSON object."""
    return {
        f.name: {"value": round(f.value, 4), "unit": f.unit, "limit": f.limit, "kept": f.kept}
        for f in figures
    }


def _row(figure: Figure) -> tuple[str, str, str, str]:
    relation = ">=" if figure.at_least else "<="
    limit = "" if figure.limit is None else f"{relation} {figure.limit:g} {figure.unit}"
    verdict = {None: "", True: "kept", False: "MISSED"}[figure.kept]
    return figure.name, f"{figure.value:.3g} {figure.unit}", limit, verdict
