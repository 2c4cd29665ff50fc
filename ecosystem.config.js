// PM2: one process for each account. `pm2 start ecosystem.config.js`; docs/running.md has the rest.
//
// Exit codes: 10 stopped or done, 2 a person must act: PM2 leaves the process stopped. 1 a defect,
// 3 the bridge is away, or killed: PM2 starts it again, after pauses that grow to 15 s. A clean end
// has a code of its own here because PM2 takes kill -9 (and the out-of-memory killer) for a 0.
const DONE = 10;

function daemon(name, args) {
  return {
    name,
    script: "trading.py",
    args: `${args} --done-status ${DONE}`,
    cwd: __dirname,
    interpreter: ".venv/bin/python",
    exec_mode: "fork",
    instances: 1,
    autorestart: true,
    stop_exit_codes: [DONE, 2],
    exp_backoff_restart_delay: 500,
    min_uptime: 30000,
    max_restarts: 1000000,
    // A stop finishes its cycle. The longest one waits for a trade (bridge.trade_timeout_s, 100 s),
    // then what is to be sent is sent (10 s). With daemon.on_stop "wait": as long as a trade may last.
    kill_timeout: 130000,
    // The paper bridge is a child that leaves by itself; a signal of its own would cut the last cycle.
    treekill: false,
    watch: false,
    merge_logs: true,
    time: true,
    out_file: `logs/${name}.out.log`,
    error_file: `logs/${name}.err.log`,
    env: { PYTHONUNBUFFERED: "1" },
  };
}

module.exports = {
  apps: [
    daemon("novosky-exness", "--account exness_main"),
    // daemon("novosky-icmarkets", "--account icmarkets_main"),
    // daemon("novosky-paper", "--paper --speed 1"),
    // { ...daemon("novosky-shadow", "--account exness_main"), script: "scripts/shadow.py" },
    // {
    //   name: "novosky-watchdog", script: "scripts/watchdog.py", args: "--every 60", cwd: __dirname,
    //   interpreter: ".venv/bin/python", autorestart: true, restart_delay: 10000, watch: false,
    //   time: true, out_file: "logs/watchdog.out.log", error_file: "logs/watchdog.err.log",
    // },
    // {
    //   // Sundays at 03:00; docs/weekly.md. It ends by itself and is not started again before then.
    //   name: "novosky-weekly", script: "scripts/weekly_optimize.py", cwd: __dirname,
    //   interpreter: ".venv/bin/python", autorestart: false, cron_restart: "0 3 * * 0", watch: false,
    //   kill_timeout: 30000, time: true, out_file: "logs/weekly.out.log",
    //   error_file: "logs/weekly.err.log",
    // },
  ],
};
