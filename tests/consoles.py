"""Shell for the console blocks of the documentation."""

from __future__ import annotations


def sleep_until_listening(*ports: int) -> str:
    """A ``sleep`` that takes as long as it needs until servers listen at all of these ports."""
    return f"""
sleep() {{
    command sleep "$1"
    for port in {" ".join(map(str, ports))}; do
        for _ in $(seq 1500); do
            if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then continue 2; fi
            command sleep 0.1
        done
        echo "no server listens at $port" >&2
        return 1
    done
}}
"""
