"""picows on uvloop: a callback for each frame; fan-out: a loop over ``send``."""

import uvloop
from listen import HOST, PORT, tls
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server
from publications import publications

subscribers: set[WSTransport] = set()


class Echo(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame):
        if frame.msg_type == WSMsgType.TEXT:
            transport.send(WSMsgType.TEXT, frame.get_payload_as_memoryview())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()


class Subscriber(WSListener):
    def on_ws_connected(self, transport: WSTransport):
        subscribers.add(transport)

    def on_ws_disconnected(self, transport: WSTransport):
        subscribers.discard(transport)


class Publisher(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame):
        if frame.msg_type == WSMsgType.TEXT:
            for publication in publications(frame.get_payload_as_utf8_text()):
                message = publication.encode()
                for subscriber in tuple(subscribers):
                    subscriber.send(WSMsgType.TEXT, message)


LISTENERS = {b"/echo": Echo, b"/subscribe": Subscriber, b"/publish": Publisher}


def listener(request: WSUpgradeRequest) -> WSListener:
    return LISTENERS[request.path]()


async def main():
    server = await ws_create_server(listener, HOST, PORT, ssl=tls(), backlog=2048)
    await server.serve_forever()


uvloop.run(main())
