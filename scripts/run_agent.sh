#!/usr/bin/env bash
# Gives the latest weekly report to a command-line assistant, which may read it and answer.
#
#   NOVOSKY_ASSISTANT_COMMAND='some-assistant --print' scripts/run_agent.sh [REPORT]
#
# REPORT: a file; default: the newest reports/weekly*. The assistant gets prompt and report on its
# standard input and, as a file that cannot be written, in the empty folder it starts in; what it
# says goes to standard output. Its environment is made from nothing: PATH, HOME (that folder), LANG,
# TMPDIR, and the variables that NOVOSKY_ASSISTANT_ENV names, e.g. its own key ("VENDOR_API_KEY").
# No secret of .env and no other variable of ours is in it.
#
#   NOVOSKY_ASSISTANT_PROMPT     what it is asked
#   NOVOSKY_ASSISTANT_TIMEOUT_S  600
#   NOVOSKY_ASSISTANT_USER       whom it runs as where this is run by root; default nobody
#
# Where the kernel lets an ordinary user have namespaces, the project is mounted read-only for it,
# .env, logs and state are empty, and it sees no other process. Elsewhere file permissions alone
# protect the project, which is said: an assistant that runs as the project's owner could then read
# and write it. The network is open in both cases: the report goes where the assistant sends it.
#
# Exit status: the assistant's; 2 where something must be set first; 124 after the time limit.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
root="${NOVOSKY_PROJECT:-$root}"
prompt_default='Below is the weekly report of a trading daemon. Say in a few sentences what stands out, what is
worse than the week before, and what a person should look at. Change nothing.'

stop() {
  echo "run_agent: $1" >&2
  exit 2
}

newest_report() {
  find "$root/reports" -maxdepth 1 -type f -name 'weekly*' -printf '%T@ %p\n' 2>/dev/null |
    sort -n | tail -n 1 | cut -d ' ' -f 2- || true
}

case "${1:-}" in
  -h | --help)
    sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit 0
    ;;
esac

[[ -n "${NOVOSKY_ASSISTANT_COMMAND:-}" ]] || stop "no assistant is configured. Set \
NOVOSKY_ASSISTANT_COMMAND to a command that reads its question from standard input, and \
NOVOSKY_ASSISTANT_ENV to the names of the variables that it needs (its own key)."
report="${1:-$(newest_report)}"
[[ -n "$report" ]] || stop "no weekly report in $root/reports (weekly*); name a file."
[[ -r "$report" ]] || stop "$report: no such file, or it cannot be read."

allowed=()
for name in ${NOVOSKY_ASSISTANT_ENV:-}; do
  [[ "$name" =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || stop "NOVOSKY_ASSISTANT_ENV: names alone are allowed"
  [[ "$name" != NOVOSKY_* && "$name" != MT5API_* ]] || stop "NOVOSKY_ASSISTANT_ENV: $name is ours"
  [[ -z "${!name:-}" ]] || allowed+=("$name=${!name}")
done

desk="$(mktemp -d "${TMPDIR:-/tmp}/novosky-report.XXXXXX")"
trap 'chmod -R u+w "$desk" && rm -rf "$desk"' EXIT
copy="$desk/$(basename "$report")"
cp -- "$report" "$copy"
question="$(mktemp "${TMPDIR:-/tmp}/novosky-question.XXXXXX")"
trap 'chmod -R u+w "$desk" && rm -rf "$desk" "$question"' EXIT
{
  printf '%s\n\n' "${NOVOSKY_ASSISTANT_PROMPT:-$prompt_default}"
  cat -- "$copy"
} >"$question"
chmod 0444 "$copy"
chmod 0555 "$desk"

as_nobody=()
if [[ "$(id -u)" == 0 ]]; then
  user="${NOVOSKY_ASSISTANT_USER:-nobody}"
  as_nobody=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
fi

# Run inside the namespaces; $1 is the project. Then every right is given up, so that nothing of it
# can be undone.
read -r -d '' shut <<'INSIDE' || true
set -e
mount --bind "$1" "$1"
for each in logs state; do
  [ ! -d "$1/$each" ] || mount -t tmpfs -o size=1k,mode=0555 none "$1/$each"
done
[ ! -e "$1/.env" ] || mount --bind /dev/null "$1/.env"
mount -o remount,bind,ro "$1"
shift
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
INSIDE
namespaces=(unshare --user --map-root-user --mount --pid --fork --mount-proc --kill-child
  sh -c "$shut" shut "$root")
if ! "${as_nobody[@]}" "${namespaces[@]}" true 2>/dev/null; then
  namespaces=()
  echo "run_agent: no namespaces here: file permissions alone protect the project" >&2
fi

cd "$desk"
status=0
env -i PATH="$PATH" HOME="$desk" TMPDIR="$desk" LANG=C.UTF-8 "${allowed[@]}" \
  timeout --kill-after=10 "${NOVOSKY_ASSISTANT_TIMEOUT_S:-600}" \
  "${as_nobody[@]}" "${namespaces[@]}" \
  sh -c "$NOVOSKY_ASSISTANT_COMMAND" <"$question" || status=$?
exit "$status"
