"""Takes the picture of `fastconv play` for the guide: `python -m docs.screenshot`.

Needs Chromium. Trains the first network on the embedded digits, draws a seven and points at a map.
"""

from __future__ import annotations

import threading
from pathlib import Path

from fastconv import play, utils
from tests.support.chromium import Chromium
from tests.test_play import data

PICTURE = Path(__file__).parent / "pictures" / "play.png"
STROKE = [(0.28, 0.18), (0.7, 0.15), (0.6, 0.4), (0.5, 0.6), (0.42, 0.85)]  # parts of the pad


def main() -> None:
    utils.set_random_seed(0)
    session = play.Session(play.small_networks((8, 8, 1), 10), data())
    for _ in range(60):
        session.train(10)
    with play.Server(session) as server, Chromium() as browser:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.open(server.url, width=1280, height=860)
        page.wait("seen && document.querySelectorAll('.layer').length")
        left, top, width, height = page.box("#pad")
        page.drag([(left + width * x, top + height * y) for x, y in STROKE])
        page.wait("!looking")
        page.evaluate("chooseUnit('conv_2', 2, 1, 2)")
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(PICTURE, whole=False)
        server.shutdown()
    print(PICTURE)


if __name__ == "__main__":
    main()
