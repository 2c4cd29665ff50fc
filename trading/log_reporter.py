"""Writes what the daemon reports to the text log, and passes it on to a view."""

import logging
from collections.abc import Mapping
from typing import Any

from broker.contract.messages import Snapshot
from market.bars import utc_text
from trading.execution.intents import kind_of
from trading.logger import fields
from trading.report import BarReport, Reporter
from trading.view_parts import request_text


class LogReporter:
    """A reporter in front of another one."""

    def __init__(self, log: logging.Logger, view: Reporter) -> None:
        self._log = log
        self._view = view
        self._trouble = ""

    def started(self, text: str) -> None:
        self._log.info("started %s", fields(text=text))
        self._view.started(text)

    def bar(self, report: BarReport) -> None:
        market, decision = report.input.market, report.decision
        denied = ",".join(each.rule for each in decision.denials) or "-"
        self._log.info(
            "bar %s",
            fields(
                symbol=market.symbol, close=utc_text(market.close_ms).replace(" ", "T"),
                price=market.close, margin=f"{report.margin:.4f}", denied=denied,
                intents=len(decision.intents), equity=report.input.account.equity,
                ms=f"{report.decision_ms:.2f}",
            ),
        )  # fmt: skip
        for each in report.sent:
            request = each.request
            self._log.info(
                "order %s",
                fields(
                    client_id=request.client_id, kind=kind_of(request), text=request_text(request),
                    sl=request.sl, tp=request.tp, state=each.state, note=each.note,
                ),
            )  # fmt: skip
        self._view.bar(report)

    def beat(self, snapshot: Snapshot) -> None:
        self._view.beat(snapshot)

    def trouble(self, text: str) -> None:
        if text != self._trouble:
            self._log.warning("trouble %s", fields(text=text or "over"))
            self._trouble = text
        self._view.trouble(text)

    def page(self, text: str) -> None:
        self._log.error("page %s", fields(text=text))
        self._view.page(text)

    def closed(self) -> None:
        self._view.closed()

    def finished(self, text: str, summary: Mapping[str, Any]) -> None:
        self._log.info("ended %s", fields(text=text, bars=summary.get("decisions")))
        self._view.finished(text, summary)
