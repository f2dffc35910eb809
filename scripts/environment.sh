# Sourced by the scripts beside this file: makes .venv with the project in it, and defines
# $python. Call it with the extras to install, such as "" or "[test,dev]".
set -eu

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python

set_up() {
    local extras=$1 wanted
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            wanted=$candidate
            break
        fi
    done
    if [ -z "${wanted-}" ]; then
        echo "$0: Python 3.11 or later is needed" >&2
        exit 1
    fi
    if ! "$python" -m pip --version >/dev/null 2>&1; then
        rm -rf "$root/.venv"
        if ! "$wanted" -m venv "$root/.venv" >&2; then
            echo "$0: cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2
            exit 1
        fi
    fi
    # The stamp holds what was installed: nothing is done again for an unchanged project.
    local stamp content
    stamp=$root/.venv/.installed-$(echo "$extras" | tr -cd a-z)
    content="$root $(cksum <"$root/pyproject.toml")"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$content" ]; then
        echo "installing trio-rtc$extras into .venv ..." >&2
        if ! "$python" -m pip install --quiet --disable-pip-version-check --editable "$root$extras" >&2; then
            echo "$0: the installation failed; the lines above say why" >&2
            exit 1
        fi
        echo "$content" >"$stamp"
    fi
}
