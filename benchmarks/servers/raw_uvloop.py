"""The limit in Python: a TCP echo on uvloop, optionally with aiofastnet's transports, optionally TLS.

Handler style: ``asyncio.Protocol``; bytes come back as they came.
"""

import asyncio
import os
import ssl
import sys

import uvloop


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.write = transport.write

    def data_received(self, data):
        self.write(data)


async def main(port: int) -> None:
    context = None
    if "BENCH_CERT" in os.environ:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.environ["BENCH_CERT"], os.environ["BENCH_KEY"])
    loop = asyncio.get_running_loop()
    if "aiofastnet" in sys.argv[2:]:
        import aiofastnet

        server = await aiofastnet.create_server(loop, Echo, "127.0.0.1", port, ssl=context, backlog=2048)
    else:
        server = await loop.create_server(Echo, "127.0.0.1", port, ssl=context, backlog=2048)
    await server.serve_forever()


uvloop.run(main(int(sys.argv[1])))
