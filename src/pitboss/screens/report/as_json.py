"""The report as JSON, for programs (SPEC 11; docs/reference/json.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.core.report.sessions import Result

if TYPE_CHECKING:
    from pitboss.core.diff_stat import DiffStat
    from pitboss.core.report.morning import MorningReport, ReportedRun
    from pitboss.core.report.sessions import LandedSession, ReportedSession
    from pitboss.core.report.sums import Share

_KEYS = {
    Result.LANDED: "landed",
    Result.RESCUED: "rescued",
    Result.FAILED: "failed",
    Result.NOTHING: "changed_nothing",
    Result.STOPPED: "stopped",
}


def report_json(report: MorningReport) -> dict[str, Any]:
    """The report in the shape of SPEC 11. `run_id` is null if it is about several runs."""
    (only,) = report.runs if len(report.runs) == 1 else (None,)
    return {
        "run_id": only and only.run_id,
        "made_at": report.made_at,
        "verdict": report.verdict.text,
        "tone": report.verdict.tone,
        **_sums(report.everything),
        "needs_you": [
            {
                "run_id": run.run_id,
                "kind": need.kind,
                "text": f"{need.what}: {need.why}" if need.why else need.what,
                "command": need.command,
                "seq": need.seq,
            }
            for run in report.runs
            for need in run.needs
        ],
        "landed_sessions": [_landed(each) for each in report.landed],
        "rescued_sessions": [_rescued(each) for each in report.rescued],
        "unpriced": [_named(each) for each in report.everything.unpriced],
        "by_prompt": [_share(each) for each in report.prompts],
        "left_out": report.left_out,
        "by_agent": [_share(each) for each in report.agents],
        "runs": [_run(run) for run in report.runs],
    }


def _sums(share: Share) -> dict[str, Any]:
    used = share.used
    return {
        "sessions": len(share.sessions),
        **{key: len(share.of(result).sessions) for result, key in _KEYS.items()},
        "cost_usd": used.cost_usd,
        "cost_known": share.cost_known,
        "tokens": {"input": used.tokens_input, "output": used.tokens_output},
    }


def _share(share: Share) -> dict[str, Any]:
    return {"key": share.name, **_sums(share), "median_s": round(share.median_s, 3)}


def _named(session: ReportedSession) -> dict[str, Any]:
    return {"run_id": session.run_id, "seq": session.seq}


def _landed(landed: LandedSession) -> dict[str, Any]:
    session, risk, record = landed.session, landed.risk, landed.session.record
    return {
        **_named(session),
        "prompt": record.prompt,
        "commit": record.commit,
        "risk": risk.level,
        "reasons": risk.texts,
        "diff": _diff(risk.diff),
        "cost_usd": record.cost_usd,
        "cost_known": record.cost_known,
        "summary": record.summary,
    }


def _diff(diff: DiffStat | None) -> dict[str, int] | None:
    return None if diff is None else {"files": diff.files, "added": diff.added, "removed": diff.removed}


def _rescued(session: ReportedSession) -> dict[str, Any]:
    record = session.record
    return {
        **_named(session),
        "prompt": record.prompt,
        "reason": record.reason,
        "rescue": record.rescue,
        "kept": session.kept,
        "settled_by": session.settled_by,
    }


def _run(run: ReportedRun) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "condition": run.condition,
        "ended": run.ended,
        "branch": run.branch or None,
        "sessions": len(run.sessions),
    }
