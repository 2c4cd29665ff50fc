"""A driver of the daemon's own `decide` over history, with metrics and a report.

From a command line to a finished run: `run`, `run_options`, `decided_run`, `forecasts`, `columns`,
`rules`, `driver` (with `inputs`, `quiet`, `memory` and `venue`), `costs`. Doors of the checks in
`checks`: `lookahead`, `recursive`, `parity`, `replay`, `regime`. What is proven of a system:
`evidence`, `forecast_band`, `go_live`, `live_evidence`, `looks`, `planted`.

`report` is what is said of a run, `statistics` what its trades prove, `gates` what is asked of
them; `walk_forward`, `sweep`, `prop` and `shadow` each make something of many runs, settings, days
and live bars.

May import: everything but `ml.training`, `settings`, `scripts` and the doors.
"""
