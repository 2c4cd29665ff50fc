"""Writes what the daemon reports to the log, and passes it on to a view."""

import logging
from collections.abc import Mapping
from typing import Any

from market.bars import utc_text
from trading.execution.intents import kind_of
from trading.logger import close_log, fields
from trading.report import BarReport, Relay, Reporter
from trading.view_parts import request_text


class LogReporter(Relay):
    """A reporter in front of another one."""

    def __init__(self, log: logging.Logger, view: Reporter) -> None:
        super().__init__(view)
        self._log = log
        self._trouble = ""

    def started(self, text: str) -> None:
        self._log.info("started", extra=fields(text=text))
        super().started(text)

    def bar(self, report: BarReport) -> None:
        market, decision = report.input.market, report.decision
        self._log.info("bar", extra=fields(
            symbol=market.symbol, close=utc_text(market.close_ms).replace(" ", "T"),
            price=market.close, margin=round(report.margin, 6),
            denied=[each.rule for each in decision.denials], intents=len(decision.intents),
            equity=report.input.account.equity, ms=round(report.decision_ms, 3),
        ))  # fmt: skip
        for each in report.sent:
            request = each.request
            self._log.info("order", extra=fields(
                client_id=request.client_id, kind=str(kind_of(request)),
                text=request_text(request), sl=request.sl, tp=request.tp, state=str(each.state),
                note=each.note,
            ))  # fmt: skip
        super().bar(report)

    def trouble(self, text: str) -> None:
        if text != self._trouble:
            self._log.warning("trouble", extra=fields(text=text or "over"))
            self._trouble = text
        super().trouble(text)

    def page(self, text: str) -> None:
        self._log.error("page", extra=fields(text=text))
        super().page(text)

    def note(self, text: str) -> None:
        self._log.info("note", extra=fields(text=text))
        super().note(text)

    def finished(self, text: str, summary: Mapping[str, Any]) -> None:
        self._log.info("ended", extra=fields(text=text, bars=summary.get("decisions")))
        super().finished(text, summary)
        close_log(self._log)
