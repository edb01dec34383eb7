"""Sessions and templates: sockets know who logged in, by the cookie that HTTP set.

    antiphon run examples.session:app

Open http://127.0.0.1:8000/ and say who you are: the page's socket then greets you by your name.
"""

import secrets

from jinja2 import DictLoader, Environment
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from antiphon import Antiphon, WebSocket

PAGE = """<!doctype html><title>Session</title><h1>Hello {{ name }}</h1><p id="told"></p>
<form><input name="name" placeholder="Your name" required> <button>Log in</button></form><script>
document.forms[0].onsubmit = (event) => fetch("/login?" + new URLSearchParams(new FormData(event.target)),
    {method: "POST"}).then(() => location.reload()) && false
new WebSocket("/greeting").onmessage = (event) => told.textContent = event.data</script>"""

templates = Jinja2Templates(env=Environment(loader=DictLoader({"page.html": PAGE}), autoescape=True))
app = Antiphon(middleware=[Middleware(SessionMiddleware, secret_key=secrets.token_hex())])


@app.get("/")
async def page(request: Request) -> Response:
    return templates.TemplateResponse(request, "page.html", {"name": request.session.get("name", "stranger")})


@app.post("/login")
async def login(request: Request, name: str) -> None:
    request.session["name"] = name


@app.websocket("/greeting")
async def greet(ws: WebSocket) -> None:
    await ws.send(f"Good to see you, {ws.session.get('name', 'stranger')}")
