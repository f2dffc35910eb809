"""TLS out of files: a server's, which may be renewed while it runs, and whom a client trusts."""

from __future__ import annotations

import logging
import signal
import ssl
from pathlib import Path
from typing import NoReturn

import trio

from ..errors import CallError
from .settings import SettingsError

logger = logging.getLogger("trio_rtc.server")


def client_context(ca: Path | None) -> ssl.SSLContext | None:
    """A context that trusts this authority, besides those of the system; None if there is none.

    Raises:
        CallError: ``bad_ca``: it cannot be read, or has no certificate.
    """
    if ca is None:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca)
    except OSError as error:
        # An ssl.SSLError is one, for a file in which there is no certificate.
        raise CallError(
            f"--ca {ca}: {error.strerror or error}", code="bad_ca", fault="local"
        ) from error
    return context


class Certificate:
    """A certificate in its files.

    Args:
        certificate: the file of the chain.
        key: the file of the private key; None if it is in the same one.
        where: what to call it in messages.

    Raises:
        SettingsError: the files cannot be read, or do not go together.
    """

    def __init__(self, certificate: str, key: str | None, where: str):
        self._files = certificate, key
        self._where = where
        self.context = self._read()

    def reload(self) -> None:
        """Read the files again: connections from now on are shown what is in them.

        Raises:
            SettingsError: they are no good; what was read before stays in use.
        """
        # A context that fails to load would keep half of it.
        self._read()
        self._load_into(self.context)

    def _read(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["http/1.1"])
        self._load_into(context)
        return context

    def _load_into(self, context: ssl.SSLContext) -> None:
        certificate, key = self._files
        try:
            # Without a password OpenSSL would ask the terminal for that of an encrypted key.
            context.load_cert_chain(certificate, key, password="")
        except ssl.SSLError as error:
            names = certificate if key is None else f"{certificate} and {key}"
            reason = error.reason or "there is no key, or an encrypted one"
            raise SettingsError(
                f"{self._where}: cannot use {names} as a certificate with its key: {reason}"
            ) from error
        except OSError as error:
            unreadable = certificate if not _readable(certificate) else key
            raise SettingsError(
                f"{self._where}: cannot read {unreadable}: {error.strerror}"
            ) from error


async def reload_on_hangup(
    certificate: Certificate | None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Reload the certificate, if there is one, at every SIGHUP, which otherwise ends a process."""
    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        task_status.started()
        async for _ in signals:
            if certificate is None:
                logger.info("there is no certificate to be read again")
                continue
            try:
                certificate.reload()
            except SettingsError as error:
                logger.error("the certificate stays as it was: %s", error)
            else:
                logger.info("the certificate has been read again")
    raise AssertionError("signals never end")


def _readable(path: str) -> bool:
    try:
        with Path(path).open("rb"):
            return True
    except OSError:
        return False
