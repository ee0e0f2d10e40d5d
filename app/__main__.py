"""A report as a file, without a browser: `python -m app REPORT --out FILE.csv`.

The same question, filters and file as on the page: a link's query is taken as it stands, so what a colleague sees can be saved
every night. Formats by the file's ending: .csv, .xlsx, .parquet.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args
from urllib.parse import parse_qs, urlsplit

import click
import msgspec

from app.export import Context, Format, exported
from app.filters import Choice, filters_of, narrowed
from app.page import columns_of, is_by_person
from app.said import asked, number_named
from app.warehouse import Warehouse
from ingest.config import load_config
from ingest.errors import CallfactsError, UsageError
from transforms.reports.catalog import REPORTS, Filters, ask


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("report", type=click.Choice(sorted(REPORTS)), metavar="REPORT")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write: .csv, .xlsx or .parquet.")
@click.option("--view", default="", help="A link of the app, or its query: period=7d&queue=Support&figure=abandoned …")
@click.option("--config", type=click.Path(path_type=Path), help="The TOML file; default: CALLFACTS_CONFIG, else callfacts.toml.")
def save(report: str, out: Path, view: str, config: Path | None) -> None:
    """Save all rows of REPORT, as the app's page would show them. Its name stands on the page Definitions."""
    file_format = next((known for known in get_args(Format) if out.suffix == f".{known}"), None)
    if file_format is None:
        raise UsageError(f"--out: {out.name}: the ending says the format: .csv, .xlsx or .parquet")
    settings = load_config(config, os.environ)
    if not settings.reports.per_person and is_by_person(REPORTS[report]):
        raise UsageError(f"{report}: figures of single persons are switched off: {settings.where}: reports.per_person is false")
    query = parse_qs(urlsplit(view).query or view.lstrip("?"), keep_blank_values=True)
    warehouse = Warehouse(settings.storage.warehouse_path)
    try:
        with warehouse.cursor() as cursor:
            as_of = ask(cursor, "as_of", Filters(settings=settings.reports))["as_of"][0]
            choice = Choice.of_query(query)
            filters = narrowed(filters_of(choice, settings=settings.reports, as_of=as_of), query)
            rows = ask(cursor, report, filters)
            names = {row["value"]: row["label"] for row in ask(cursor, "options", filters).to_dicts() if row["kind"] == "agent"}
            if filters.call_of_number is not None:
                names |= number_named(ask(cursor, "call", filters.call_of_number))
    finally:
        warehouse.close()
    zone = filters.settings.time_zone
    configured = msgspec.structs.replace(settings.reports, time_zone=zone)
    said = "; ".join(asked(filters, (report,), choice=choice, configured=configured, as_of=as_of, names=names)) or "everything"
    meanings = {column.name: column.meaning for column in REPORTS[report].columns}
    data = exported(rows, columns_of(REPORTS[report]), Context(report, said, zone, as_of, meanings), file_format=file_format)
    aside = out.with_name(f".{out.name}.tmp")
    try:
        aside.write_bytes(data)
        aside.replace(out)
    except OSError as error:
        raise UsageError(f"--out: {out}: {error.strerror}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; what goes wrong is one line."""
    try:
        save.main(args=arguments, prog_name="python -m app", standalone_mode=False)
    except CallfactsError as error:
        print(f"app: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except click.ClickException as error:
        print(f"app: {error.format_message()}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except click.Abort:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
