"""Calls of the terminal that fail: None, and what `last_error` then says."""

from broker.simulator.faults.calls import REQUEST, Call
from broker.simulator.faults.plan import Fault, FaultPlan

Error = tuple[int, str]

SUCCESS: Error = (1, "Success")
TIMEOUT: Error = (-10005, "IPC timeout")
NO_IPC: Error = (-10004, "No IPC connection")
RECEIVE: Error = (-10002, "IPC recv failed")
FAILED: Error = (-1, "Terminal: Call failed")
NO_RIGHTS: Error = (-6, "Terminal: Authorization failed")

_NAMED = {error[0]: error for error in (TIMEOUT, NO_IPC, RECEIVE, FAILED, NO_RIGHTS)}

# Faults of the wire and of the bridge, as they are to a broker that is used in process:
# not handled at all, or handled and not answered.
_NOT_HANDLED = {
    "conn_reset_before_send": NO_IPC, "bridge_down": NO_IPC, "http_503": NO_IPC,
    "queue_full": NO_IPC, "bridge_restart": NO_IPC, "unauthorized": NO_RIGHTS,
}  # fmt: skip
_NOT_ANSWERED = {
    "post_fill_then_timeout": TIMEOUT, "conn_reset_after_send": RECEIVE,
    "truncated_json": RECEIVE, "html_500": RECEIVE, "http_504": TIMEOUT,
}  # fmt: skip


def failure(plan: FaultPlan, call: Call) -> tuple[Error, bool] | None:
    """The error of a call that fails, and whether a trade request is executed all the same."""
    if plan.acting("terminal_restart", call):
        return NO_IPC, False
    fault = plan.acting("sdk_error", call)
    if fault:
        return error_of(fault), fault.is_set("executed")
    if plan.acting("random_none", call):
        return SUCCESS, False
    return None if REQUEST.get() else _failure_in_process(plan, call)


def error_of(fault: Fault) -> Error:
    code = fault.int_of("code")
    return _NAMED.get(code, (code, "Terminal: Error"))


def _failure_in_process(plan: FaultPlan, call: Call) -> tuple[Error, bool] | None:
    for name, error in _NOT_HANDLED.items():
        if plan.acting(name, call):
            return error, False
    for name, error in _NOT_ANSWERED.items():
        fault = plan.acting(name, call)
        if fault:
            return error, bool(fault.order.params.get("executed", True))
    return None
