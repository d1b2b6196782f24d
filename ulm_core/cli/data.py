"""Commands about the data: load, sample, info."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from ulm_core.alerts.check import check_after_load
from ulm_core.cli.common import JsonOption, WorkspaceOption, emit, note, open_workspace, table_lines
from ulm_core.errors import InputError
from ulm_core.events.cleaning import CleaningRules
from ulm_core.events.mapping import require_complete
from ulm_core.events.presets import list_presets, save_preset
from ulm_core.events.samples import DEFAULT_SAMPLE, get_sample, samples
from ulm_core.events.sources import ReadOptions
from ulm_core.messages import N_
from ulm_core.timeline.publish import import_bundle, import_log, import_tables
from ulm_core.warehouse.loading import LoadOptions, LoadReport
from ulm_core.warehouse.preview import Preview, preview
from ulm_core.warehouse.quality import Quality, measure_quality
from ulm_core.warehouse.reports import DatasetSummary, dataset_summary
from ulm_core.warehouse.snapshot import Snapshot
from ulm_core.warehouse.tables import TableReport
from ulm_core.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(load)
    app.command()(sample)
    app.command()(info)
    app.command()(quality)


def load(
    place: Annotated[
        str | None,
        typer.Argument(
            help="File, folder, pattern, s3:// or https:// address, database file or postgresql:// address."
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option("--preset", help="Layout of a known source; 'list' names them.")] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--map", help="Give a role to a column, e.g. user=member_no; repeatable.")
    ] = None,
    rule: Annotated[
        list[str] | None, typer.Option("--rule", help="A cleaning rule, e.g. duplicates=keep; repeatable.")
    ] = None,
    file_format: Annotated[
        str, typer.Option("--format", help="csv, jsonl, json, parquet, arrow or xml; found out by default.")
    ] = "auto",
    encoding: Annotated[str | None, typer.Option("--encoding", help="Of a text file; found out by default.")] = None,
    delimiter: Annotated[str | None, typer.Option("--delimiter", help="Of a CSV file; found out by default.")] = None,
    table: Annotated[str | None, typer.Option("--table", help="Which table, where the place is a database.")] = None,
    users: Annotated[str | None, typer.Option("--users", help="File that describes the users.")] = None,
    items: Annotated[str | None, typer.Option("--items", help="File that describes the items.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what is loaded instead of adding to it.")] = False,
    only_preview: Annotated[
        bool, typer.Option("--preview", help="Show what would be read, with confidence; load nothing.")
    ] = False,
    save_as: Annotated[
        str | None, typer.Option("--save-preset", help="Keep the mapping as a preset of the workspace.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load an event log, or describe its users and items; the same content a second time changes nothing."""
    if preset == "list":
        _list_presets(open_workspace(workspace), as_json)
        return
    options = _options(preset, assign, rule, (file_format, encoding, delimiter), (table, users, items))
    studio = open_workspace(workspace)
    if place is None:
        _describe(studio, users, items, as_json)
        return
    if only_preview or save_as:
        seen = preview(place, options, studio)
        if save_as:
            require_complete(seen.mapping, [guess.column for guess in seen.guesses])
            note(save_preset(studio, save_as, seen.mapping, rules=options.rules, read=options.read))
        if only_preview:
            emit(seen.to_json(), as_json, _preview_lines(seen))
            return
    report = import_log(studio, place, "replace" if replace else "append", note, options)
    check_after_load(studio)
    emit(report.to_json(), as_json, _load_lines(report))


def _options(
    preset: str | None,
    assign: list[str] | None,
    rule: list[str] | None,
    written: tuple[str, str | None, str | None],
    tables: tuple[str | None, str | None, str | None],
) -> LoadOptions:
    """Return the options of a load from what was typed."""
    read = {"format": written[0], "encoding": written[1], "delimiter": written[2]}
    given = {name: value for name, value in read.items() if value not in {None, "auto"}}
    try:
        return LoadOptions(
            preset=preset,
            roles=_pairs(assign),
            rules=CleaningRules.model_validate(_pairs(rule)) if rule else None,
            read=ReadOptions.model_validate(given),
            table=tables[0],
            users=tables[1],
            items=tables[2],
        )
    except (ValidationError, LookupError) as error:
        reason = error.errors()[0] if isinstance(error, ValidationError) else None
        text = f"{'.'.join(map(str, reason['loc']))}: {reason['msg']}" if reason else str(error)
        raise InputError(N_("This cannot be used: {reason}."), reason=text) from error


def _pairs(texts: list[str] | None) -> dict[str, str]:
    """Return ``name=value`` texts as a mapping."""
    pairs = {}
    for text in texts or ():
        name, sign, value = text.partition("=")
        if not sign or not name or not value:
            raise InputError(N_("“{text}” is not of the form name=value."), text=text)
        pairs[name.strip()] = value.strip()
    return pairs


def _describe(workspace: Workspace, users: str | None, items: str | None, as_json: bool) -> None:
    if not users and not items:
        raise InputError(N_("Say what to load: a file, a folder, an address, or --users and --items files."))
    reports = import_tables(workspace, users, items, note)
    emit({report.target: report.to_json() for report in reports}, as_json, _table_lines(reports))


def _list_presets(workspace: Workspace, as_json: bool) -> None:
    listed = {name: preset.title for name, preset in list_presets(workspace).items()}
    emit({"presets": listed}, as_json, table_lines(("name", "what it is"), listed.items()))


def sample(
    name: Annotated[str, typer.Argument(help="Which sample; 'list' names them.")] = DEFAULT_SAMPLE,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace the workspace's data by a sample that ships with the product."""
    if name == "list":
        listed = {entry.name: str(entry.description) for entry in samples().values()}
        emit({"samples": listed}, as_json, table_lines(("name", "what it is"), listed.items()))
        return
    bundle = get_sample(name).read()
    studio = open_workspace(workspace)
    report = import_bundle(studio, bundle, report=note)
    check_after_load(studio)
    emit(report.to_json(), as_json, _load_lines(report))


def info(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Say what is loaded: rows, users, items, period, what was quarantined and why."""
    summary = dataset_summary(open_workspace(workspace))
    emit(summary.to_json(), as_json, _info_lines(summary))


def quality(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Say how good the log is: gaps, duplicates, late events, unmatched ids, empty columns, rows set aside."""
    studio = open_workspace(workspace)
    found = measure_quality(Snapshot.open(studio), studio.config.timezone, studio.config.passive_events)
    emit(found.to_json(), as_json, _quality_lines(found))


def _quality_lines(found: Quality) -> list[str]:
    read = (
        f"{found.rows_read:,} rows read = {found.rows_loaded:,} loaded + {found.rows_quarantined:,} quarantined + "
        f"{found.rows_overlapping:,} seen before."
    )
    rows: list[tuple[str, object]] = [
        ("days with events", f"{len(found.days):,}"),
        ("gaps", ", ".join(f"{gap.first} to {gap.last}" for gap in found.gaps[:8]) or "none"),
        ("late events", f"{found.late:,} ({found.late_share:.1%})"),
        ("exact duplicates", f"{found.duplicates_set_aside:,} set aside, {found.duplicates_kept:,} kept"),
        ("events per user", f"median {found.events_median:,.0f}, most {found.events_most:,}"),
        ("users described", f"{found.users.both:,} of {found.users.in_log:,}"),
        ("items described", f"{found.items.both:,} of {found.items.in_log:,}"),
        ("returns linked", f"{found.returns_linked:,} of {found.returns:,}"),
        ("flagged users", f"{found.flagged_users:,}"),
    ]
    rows += [(f"quarantine: {each.reason}", f"{each.rows:,}") for each in found.quarantine]
    return [read, *table_lines(("what", "value"), rows), *(str(choice.sentence) for choice in found.choices)]


def _load_lines(report: LoadReport) -> list[str]:
    if not report.is_new:
        return [f"{report.source} was loaded before; nothing changed."]
    lines = [f"{report.source}: {report.rows_loaded:,} rows loaded, {report.rows_quarantined:,} quarantined."]
    if report.rows_overlapping:
        lines.append(
            f"{report.rows_read:,} rows read: {report.rows_overlapping:,} stood in an earlier file and are counted "
            f"once, {report.rows_new:,} are new before any cleaning rule."
        )
    lines += [f"  {reason}: {count:,}" for reason, count in report.reasons.items()]
    if report.returns:
        lines.append(f"{report.returns:,} returns and cancellations, {report.returns_linked:,} linked to a purchase.")
    if report.robots:
        lines.append(f"{report.robots:,} users flagged for event storms.")
    lines += [str(choice.sentence) for choice in report.choices]
    lines += [f"passed over: {name}" for name in report.skipped]
    for target, found in report.ids.items():
        lines += _match_lines(target, found)
    return lines


def _match_lines(target: str, found: Mapping[str, Any]) -> list[str]:
    return [
        f"{target}: {found['rows_read']:,} rows; {found['only_in_log']:,} ids of the log are not described, "
        f"{found['only_in_table']:,} described ids are not in the log."
    ]


def _table_lines(reports: Sequence[TableReport]) -> list[str]:
    return [line for report in reports for line in _match_lines(report.target, report.to_json())]


def _preview_lines(seen: Preview) -> list[str]:
    rows = [
        (guess.column, guess.role or "-", f"{guess.confidence:.0%}", " | ".join(guess.examples)[:50])
        for guess in seen.guesses
    ]
    lines = [f"{seen.source}:", *table_lines(("column", "role", "sure", "examples"), rows)]
    lines += [f"layout of: {', '.join(seen.presets)}"] if seen.presets else []
    lines += [str(seen.problem)] if seen.problem else []
    rejected = [row for row in seen.events.to_pylist() if row["reason"]] if seen.events.num_rows else []
    return [*lines, f"{seen.events.num_rows} rows looked at, {len(rejected)} would be set aside."]


def _info_lines(summary: DatasetSummary) -> list[str]:
    rows: list[tuple[str, object]] = [
        ("rows", f"{summary.rows:,}"),
        ("quarantined", f"{summary.rows_quarantined:,}"),
        ("users", f"{summary.users:,}"),
        ("items", f"{summary.items:,}"),
        ("first", summary.first_at),
        ("as of", summary.as_of),
    ]
    rows += [(f"event: {name}", f"{count:,}") for name, count in summary.events.items()]
    rows += [(f"quarantine: {reason}", f"{count:,}") for reason, count in summary.quarantine.items()]
    return table_lines(("what", "value"), rows)
