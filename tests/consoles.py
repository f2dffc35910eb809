"""Shell for the console blocks of the documentation."""

from __future__ import annotations


def sleep_until_listening(*ports: int) -> str:
    """A ``sleep`` that takes as long as it needs until a server listens at one of these ports."""
    return f"""
sleep() {{
    command sleep "$1"
    for _ in $(seq 300); do
        for port in {" ".join(map(str, ports))}; do
            if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
        done
        command sleep 0.1
    done
    echo "no server listens" >&2
    false
}}
"""
