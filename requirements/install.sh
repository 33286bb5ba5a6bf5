#!/bin/sh
# Install a lock file into .venv, which is made if need be, then touch stamps, the last one last:
#   install.sh requirements/FILE.txt STAMP…
# Says one line before, since it takes a while, and one line where it fails. PYTHON= chooses one.
set -eu
python=${PYTHON:-python3}

no_python="There is no $python. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12"

fail() {
    echo "$1" >&2
    exit 1
}

# One at a time: of two in a fresh clone, the second would remove .venv from under the first.
if [ "$1" != --alone ]; then
    locker=$python
    "$locker" -c '' 2>/dev/null || locker=.venv/bin/python
    "$locker" -c '' 2>/dev/null || fail "$no_python"
    exec "$locker" requirements/alone.py sh "$0" --alone "$@"
fi
shift
lock=$1
shift
for stamp; do :; done
[ "$stamp" -nt "$lock" ] && exit # the one that we waited for has done it

if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
        fail "$no_python"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$python is Python $version, and 3.11 or newer is needed. Name another: make PYTHON=python3.12"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python has no venv. Install it (Debian: apt install python$version-venv), or name another: make PYTHON=…"
    rm -rf .venv
    "$python" -m venv .venv >/dev/null || fail "$python cannot make a virtual environment in $PWD/.venv."
fi

echo "Installing what $lock lists into .venv (once, about a minute) …"
log=.venv/install.log
if ! .venv/bin/python -m pip --disable-pip-version-check install --require-hashes --requirement "$lock" >"$log" 2>&1; then
    reason=$(grep '^ERROR: ' "$log" | tail -n 1 | cut -c 8-)
    case $reason in
    "No matching distribution"*)
        reason="$reason. It may not exist for this machine ($(uname -sm)): where servers are at hand, set DATABASE_URL and REDIS_URL and run make with REQUIREMENTS=requirements/prod.txt"
        ;;
    esac
    fail "Installation failed: ${reason:-see $log}. All of it: $log"
fi
touch "$@"
