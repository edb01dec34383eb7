"""What servers without a command of their own share: the port, TLS, compression."""

import os
import ssl
import sys

HOST = "127.0.0.1"
PORT = int(sys.argv[1])
DEFLATE = "BENCH_DEFLATE" in os.environ


def tls() -> ssl.SSLContext | None:
    """The context of this run's certificate, if it has one."""
    if "BENCH_CERT" not in os.environ:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["BENCH_CERT"], os.environ["BENCH_KEY"])
    return context
