"""A picture of every page, light and dark, wide and narrow: `make pictures`.

The wide, light ones go into docs/pictures, for docs/tour.md; all of them into tests/pictures, to be looked at. The warehouse is a
simulated one: every name and number in it is made up.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import duckdb
from playwright.sync_api import sync_playwright

from tests.app.browsing import FLAGS, REPO, Watched, chromium, server
from tests.app.conftest import PAGES
from tests.warehouses import simulated_warehouse

SETTINGS = """time_zone = "Europe/Rome"
business_hours.monday = ["08:00-18:00"]
business_hours.tuesday = ["08:00-18:00"]
business_hours.wednesday = ["08:00-18:00"]
business_hours.thursday = ["08:00-18:00"]
business_hours.friday = ["08:00-17:00"]
[reports.queues."Support"]
service_level_s = 30
service_level_goal = 0.6"""
LOOKS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]
STORY = """select company, call_id from calls
where direction = 'inbound' and queue_name is not null and leg_count > 2 and hold_ms > 0 and answered_by_at is not null and talk_ms < 120000
order by started_at desc limit 1"""


def main() -> int:
    where = chromium()
    if where is None:
        print("pictures: there is no Chromium: apt-get install chromium, or name one in CHROMIUM", file=sys.stderr)
        return 1
    kept, shown = REPO / "tests/pictures", REPO / "docs/pictures"
    for folder in (kept, shown):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        root = Path(name)
        simulated_warehouse(root / "warehouse.duckdb", calls=8000, days=42)
        with duckdb.connect(str(root / "warehouse.duckdb"), read_only=True) as connection:
            company, call_id = connection.execute(STORY).fetchall()[0]
        queries = {"call": f"?of={company}&call={call_id}"}
        browser = playwright.chromium.launch(executable_path=where, args=list(FLAGS))
        with server(root, root, SETTINGS) as address:
            for width, scheme in LOOKS:
                context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
                watched = Watched(context, address)
                for page in PAGES:
                    file = kept / f"{page}-{width}-{scheme}.png"
                    take(watched, f"/{page}{queries.get(page, '')}", width, file)
                    if (width, scheme) == LOOKS[0]:
                        shutil.copy(file, shown / f"{page}.png")
                    print(f"{file.relative_to(REPO)}", *watched.errors, *watched.outside)
                context.close()
        browser.close()
    return 0


def take(watched: Watched, path: str, width: int, file: Path) -> None:
    """The whole page, as high as it is."""
    watched.page.set_viewport_size({"width": width, "height": 900})
    watched.open(path)
    height = watched.page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    watched.page.set_viewport_size({"width": width, "height": min(max(height + 10, 700), 6000)})
    watched.page.wait_for_timeout(900)
    watched.page.screenshot(path=str(file))


if __name__ == "__main__":
    sys.exit(main())
