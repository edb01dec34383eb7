"""Change an order, from wherever its application can be reached.

python -m examples.orders.ship 2
python -m examples.orders.ship 2 packed --url http://127.0.0.1:8000
"""

import argparse
import json
import sys
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.orders.ship", description="Change an order.")
    parser.add_argument("number", type=int)
    parser.add_argument("status", nargs="?", default="shipped")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the application is")
    asked = parser.parse_args()
    body = json.dumps({"status": asked.status}).encode()
    try:
        with urlopen(Request(f"{asked.url}/orders/{asked.number}", body, method="PUT"), timeout=10) as answer:  # noqa: S310
            order = json.load(answer)
    except HTTPError as error:
        print(error.read().decode(), file=sys.stderr)
        return 1
    except URLError as error:
        print(f"{asked.url} cannot be reached: {error.reason}", file=sys.stderr)
        return 1
    print(f"order {order['number']} ({order['item']}) is {order['status']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
