"""Open a stand-in to play with: python -m connectors.standin --version 20.0.2 --port 8090."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from connectors.standin.standin import VERSIONS, StandIn
from connectors.standin.week import play_a_week


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m connectors.standin", description=__doc__)
    parser.add_argument("--version", choices=VERSIONS, default="20.0.2")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--database-url", help="a MariaDB; SQLite if not given")
    parser.add_argument("--keep", action="store_true", help="keep the data in ./standin-data")
    return parser.parse_args()


def main() -> None:
    """Serve until interrupted."""
    arguments = _arguments()
    directory = Path("standin-data") if arguments.keep else None
    if directory is not None:
        directory.mkdir(exist_ok=True)
    with StandIn(
        arguments.version, arguments.database_url, directory, port=arguments.port
    ) as standin:
        if standin.shop.is_new():
            play_a_week(standin.shop, standin.store.local().date())
        print(f"Dolibarr {standin.version} (stand-in): {standin.url}/api/index.php")
        print(f"DOLAPIKEY: {standin.api_key}\ndatabase: {standin.database_url}")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("closed")


if __name__ == "__main__":
    main()
