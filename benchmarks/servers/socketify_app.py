"""socketify (uWebSockets): callbacks; fan-out: its ``publish``."""

from listen import HOST, PORT
from publications import publications
from socketify import App, AppListenOptions, CompressOptions, OpCode

app = App()


def behaviour(**handlers):
    return {
        "compression": CompressOptions.DISABLED,
        "max_payload_length": 1024 * 1024,
        "max_backpressure": 16 * 1024 * 1024,
        "idle_timeout": 120,
        **handlers,
    }


def publish(ws, message, opcode):
    for publication in publications(message):
        app.publish("news", publication, OpCode.TEXT)


app.ws("/echo", behaviour(message=lambda ws, message, opcode: ws.send(message, opcode)))
app.ws("/subscribe", behaviour(open=lambda ws: ws.subscribe("news")))
app.ws("/publish", behaviour(message=publish))
app.listen(AppListenOptions(port=PORT, host=HOST), lambda config: None)
app.run()
