"""TLS of our own server: a certificate and its key, which uvicorn serves with."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field

from antiphon.errors import ConfigurationError

Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Tls:
    """What a server proves itself with; files are in PEM.

    Attributes:
        certfile: The certificate, and behind it those that lead to its authority.
        keyfile: Its private key; None: it is in ``certfile``.
        password: What decrypts the key, if it is encrypted.
    """

    certfile: Path
    keyfile: Path | None = None
    password: str | None = field(default=None, repr=False)

    def check(self) -> None:
        """Try to load the certificate and the key.

        Raises:
            ConfigurationError: That cannot be.
        """
        files = " and ".join(os.fspath(each) for each in (self.certfile, self.keyfile) if each is not None)
        try:
            # Without a password OpenSSL would ask at the terminal for one.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                self.certfile, self.keyfile, lambda: self.password or ""
            )
        except OSError as error:
            raise ConfigurationError(f"cannot serve TLS with {files}: {_why(error)}") from None


def _why(error: OSError) -> str:
    if not isinstance(error, ssl.SSLError):
        return error.strerror or str(error)
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key is that of another certificate"
    # Neither OpenSSL nor Python says which of these it was.
    return "the files are not PEM, the private key is in neither, or its password is wrong or missing"
