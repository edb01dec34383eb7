"""What holds for every page: each block is treated, each program runs, each link leads somewhere."""

import re
import shlex
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from antiphon import cli
from tests.docs.conftest import Load
from tests.docs.markdown import ELSEWHERE, KNOWN, ROOT, Block, blocks, pages
from tests.docs.programs import defined_tests, files, programs, write_files
from tests.servers import LiveServer

PAGES = [page for page in pages() if page not in ELSEWHERE]
BLOCKS = [block for page in PAGES for block in blocks(page)]
PROGRAMS = [(page, name) for page in PAGES for name in programs(page)]
CLIENTS = [(first, second) for first, second in pairwise(BLOCKS) if "client" in first.directives]
COMMANDS = [
    (block, line.removeprefix("$ "))
    for block in BLOCKS
    if block.language in ("console", "sh")
    for line in block.text.splitlines()
]


def test_pages_are_found() -> None:
    """The checks below have something to look at."""
    assert len(PAGES) >= 14
    assert len(PROGRAMS) >= 30


def test_blocks_elsewhere_are_tested_there() -> None:
    """A page that is left out here is run by the test that is named for it."""
    for page, test in ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8")


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_no_block_is_left_out(block: Block) -> None:
    """Each block is of a kind that some test executes, checks, or that is prose."""
    assert block.language in KNOWN, f"{block}: nobody knows how to try this"
    if block.language == "html":
        assert "file" in block.directives, f"{block}: HTML is tried as a file of a program"


@pytest.mark.parametrize(("page", "name"), PROGRAMS)
async def test_program_runs(load: Load, page: str, name: str) -> None:
    """A page's program can be executed, and the tests that it defines pass."""
    module = load(page, name)
    for test in defined_tests(module):
        await test()


@pytest.mark.parametrize(("client", "output"), CLIENTS, ids=str)
def test_client_prints(client: Block, output: Block, tmp_path: Path) -> None:
    """A client, run while its program is served, prints what the page says."""
    assert "output" in output.directives, f"{client}: what it prints has to follow"
    write_files(client.page, tmp_path)
    (tmp_path / "served.py").write_text(programs(client.page)[client.directives["client"]].source)
    with LiveServer.antiphon("served:app", cwd=tmp_path) as server:
        assert "127.0.0.1:8000" in client.text
        program = client.text.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    assert done.stdout == output.text


@pytest.mark.parametrize(("block", "command"), COMMANDS, ids=str)
def test_command_parses(block: Block, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A command takes the arguments that a page gives it."""
    name, *arguments = shlex.split(command, comments=True)
    match name:
        case "antiphon" if arguments[0] != "run":
            # tests/docs/test_publishing.py runs these.
            assert cli.command.parser().parse_args(arguments)
        case "antiphon":
            served: list[Any] = []
            monkeypatch.setattr(cli.serve, "run", lambda *args, **options: served.append(args))
            assert cli.main(arguments) == 0
            assert served
        case "make":
            subprocess.run(["make", "--dry-run", *arguments], cwd=ROOT, check=True, capture_output=True)
        case "pip":
            _pip(arguments)
        case "pytest":
            _pytest(block.page, tmp_path)
        case "python" | "uvicorn" | "hypercorn" | "granian":
            # tests/docs/test_deployment.py serves with each of these commands.
            assert "serves" in block.directives, f"{block}: {command}"
        case _:
            pytest.fail(f"{block}: nobody knows how to try {command!r}")


def _pip(arguments: list[str]) -> None:
    """The package can be installed as the page says: it is this one, and has these extras."""
    assert arguments[0] == "install"
    wanted = re.fullmatch(r"\"?\.(?:\[([a-z,]+)\])?\"?", arguments[1])
    assert wanted, arguments
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(filter(None, (wanted[1] or "").split(",")))
    assert extras <= project["optional-dependencies"].keys()


def _pytest(page: str, folder: Path) -> None:
    """The tests that a page tells its reader to write pass, in a folder with the page's files."""
    write_files(page, folder)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    tests = sum(text.count("async def test_") for text in files(page).values())
    assert f"{tests} passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language == "toml"], ids=str)
def test_toml_is_valid(block: Block) -> None:
    """TOML parses, and its settings for pytest are those that this suite uses as well."""
    settings = tomllib.loads(block.text)["tool"]["pytest"]["ini_options"]
    assert settings["anyio_mode"] == "auto"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link leads to a file, and to a heading of it."""
    prose = re.sub(r"^```.*?^```$", "", _read(page), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)#\s]*(?:#[^)\s]*)?)\)", prose):
        path, _, heading = target.partition("#")
        if "://" in path:
            continue
        linked = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert linked.exists(), f"{page}: {target}"
        if heading:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {_anchor(each) for each in headings}, f"{page}: {target}"


def test_index_lists_every_page() -> None:
    """Who begins at the index can reach every page."""
    index = _read("docs/index.md")
    for page in pages():
        if page.startswith("docs/") and page != "docs/index.md":
            assert f"({page.removeprefix('docs/')})" in index, page


def _read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
