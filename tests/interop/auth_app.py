"""An application whose private and presence channels are for those who are named."""

from starlette.requests import Request

from antiphon import Antiphon, Member
from antiphon.broadcast import Credentials

KEY, SECRET = "278d425bdf160c739803", "7ad3773142a6692b25b8"
MASTER = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

app = Antiphon()
auth = app.channel_auth(credentials=Credentials(KEY, SECRET, MASTER))


@auth.rule("private-orders.{user}")
async def own_orders(request: Request, user: str) -> bool:
    return request.headers["x-user"] == user


@auth.rule("private-encrypted-orders.{user}")
async def own_encrypted_orders(request: Request, user: str) -> bool:
    return request.headers["x-user"] == user


@auth.rule("presence-room.{room}")
def enter(request: Request, room: str) -> Member:
    name = request.headers["x-user"]
    return Member(name, {"name": f"{name} ☂", "room": room})
