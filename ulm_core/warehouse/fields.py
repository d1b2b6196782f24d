"""SQL for the parts of an event, built from a mapping: what a reference means, how moments and numbers are read."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator

from ulm_core.errors import InputError, NotFoundError
from ulm_core.events.columns import ROLES, Columns
from ulm_core.events.mapping import EVERYTHING_ELSE, ColumnMapping
from ulm_core.messages import N_
from ulm_core.warehouse.database import literal, quote
from ulm_core.warehouse.readers import Relation

IDS = (Columns.USER, Columns.ITEM, Columns.SESSION)

_DAY_FIRST = tuple(f"%d/%m/%{year} {clock}".strip() for year in "yY" for clock in ("%H:%M:%S", "%H:%M", "%I:%M %p", ""))
_MONTH_FIRST = tuple(pattern.replace("%d/%m", "%m/%d") for pattern in _DAY_FIRST)
_EPOCH = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_STORED = re.compile(r'"(?:[^"]|"")*"|ulm_fields\[\d+\]')  # what costs nothing to look at twice
_HAS_ZONE = r"'[0-9]:[0-9]{2}[0-9:.,]*\s*(Z|z|UTC|GMT|[+-][0-9]{2}(:?[0-9]{2})?)$'"


def plain(name: str) -> str:
    """Return a column name without case, blanks and underscores, as names are compared.

    Examples
    --------
    >>> plain("Customer ID") == plain("customer_id")
    True
    """
    return re.sub(r"[\s_\-\ufeff]+", "", name).lower()


class Fields:
    """Resolves references of a mapping against one relation.

    Parameters
    ----------
    relation
        Where the rows come from.
    mapping
        What its columns mean.
    """

    def __init__(self, relation: Relation, mapping: ColumnMapping) -> None:
        self.relation = relation
        self.mapping = mapping
        self._by_plain = {plain(name): name for name in reversed(list(relation.columns))}
        self._paths: list[str] = []

    def knows(self, reference: str) -> bool:
        """Return whether the relation has the column that `reference` begins with."""
        if self.relation.kind != "columns":
            return reference in self.relation.columns or reference.split(".")[0] in self.relation.columns
        return self._column(reference) is not None

    def _column(self, reference: str) -> tuple[str, str] | None:
        """Return (column, rest of the path): the longest column name that `reference` begins with."""
        if reference in self.relation.columns:
            return reference, ""
        same = self._by_plain.get(plain(reference))
        if same is not None:
            return same, ""
        parts = reference.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            name = self._by_plain.get(plain(".".join(parts[:cut])))
            if name is not None:
                return name, ".".join(parts[cut:])
        return None

    def raw(self, reference: str) -> str | None:
        """Return SQL for what stands at `reference` in the file, None where the file lacks it."""
        if self.relation.kind == "json":
            # Fields are looked up where they are, seen in the first lines or not: JSON lines need not agree.
            return f"ulm_fields[{self._path_number(_json_path(reference))}]"
        if self.relation.kind == "xml":
            return _xml_attribute(reference)
        found = self._column(reference)
        if found is None:
            return None
        name, rest = found
        if not rest:
            return quote(name)
        kind = self.relation.columns[name]
        document = f"to_json({quote(name)})" if kind.startswith(("STRUCT", "MAP")) else quote(name)
        path = literal(_json_path(rest))
        return f"CASE WHEN json_valid({document}) THEN json_extract_string({document}, {path}) END"

    def _path_number(self, path: str) -> int:
        if path not in self._paths:
            self._paths.append(path)
        return self._paths.index(path) + 1

    def source(self) -> str:
        """Return SQL of the rows with what the references need; call it after the references were asked for."""
        if self.relation.kind != "json":
            return self.relation.sql if self.relation.kind == "columns" else f"{self.relation.sql} AS ulm_lines"
        paths = ", ".join(literal(path) for path in self._paths) or "'$'"
        return (
            f"(SELECT line, CASE WHEN json_valid(line) THEN json_extract_string(line, [{paths}]) END AS ulm_fields, "
            f"NOT json_valid(line) AS ulm_broken FROM {self.relation.sql} WHERE trim(line) <> '')"
        )

    def text(self, role: str) -> str:
        """Return SQL for a role as trimmed text; the first reference that holds something counts."""
        found = [sql for sql in map(self.raw, self.mapping.references(role)) if sql is not None]
        parts = [self.present(sql) for sql in found]
        if not parts:
            return "NULL::VARCHAR"
        sql = parts[0] if len(parts) == 1 else f"coalesce({', '.join(parts)})"
        if role in IDS and self.mapping.whole_ids:
            return f"regexp_replace({sql}, '^([0-9]+)\\.0+$', '\\1')"
        return sql

    def present(self, sql: str) -> str:
        """Return `sql` as trimmed text, NULL where it is one of the texts that mean nothing."""
        nulls = self.mapping.nulls or ("",)
        longest = max(len(text.encode()) for text in nulls)
        # Not IN: of a longer list DuckDB makes a join that every row passes through, CASE or not.
        listed = f"list_contains([{', '.join(map(literal, nulls))}], "
        if not _STORED.fullmatch(sql):
            trimmed = f"trim(CAST({sql} AS VARCHAR))"
            return f"CASE WHEN {listed}{trimmed}) THEN NULL ELSE {trimmed} END"
        # Trimming copies every text; few need it: one that begins with a blank or less, ends with one, or holds
        # what is not ASCII.
        text = f"CAST({sql} AS VARCHAR)"
        return (
            f"CASE WHEN {text} < '!' OR ends_with({text}, ' ') OR strlen({text}) <> length({text}) "
            f"THEN CASE WHEN {listed}trim({text})) THEN NULL ELSE trim({text}) END "
            f"WHEN strlen({text}) <= {longest} AND {listed}{text}) THEN NULL ELSE {text} END"
        )

    def description(self) -> dict[str, str]:
        """Return SQL for what a row says about its item: text, category, price, attributes (a map)."""
        texts = [self.present(sql) for sql in map(self.raw, self.mapping.item_text) if sql is not None]
        pairs = [(name, self.raw(name)) for name in self.mapping.item_attributes]
        entries = [f"{{'k': {literal(name)}, 'v': {self.present(sql)}}}" for name, sql in pairs if sql is not None]
        listed = f"map_from_entries(list_filter([{', '.join(entries)}], e -> e.v IS NOT NULL))"
        return {
            "item_text": f"nullif(concat_ws(', ', {', '.join(texts)}), '')" if texts else "NULL::VARCHAR",
            "item_category": self.text(Columns.ITEM_CATEGORY),
            "item_price": self.as_number(self.text(Columns.ITEM_PRICE)),
            "item_attributes": listed if entries else "CAST(MAP {} AS MAP(VARCHAR, VARCHAR))",
        }

    def number(self, role: str) -> str:
        """Return SQL for a role as a number, NULL where the text is none."""
        return self.as_number(f"raw_{role}")

    def as_number(self, sql: str) -> str:
        """Return SQL that reads the text `sql` as a number."""
        if self.mapping.decimal_comma:
            sql = f"replace(replace({sql}, '.', ''), ',', '.')"
        return f"TRY_CAST({sql} AS DOUBLE)"

    def moment(self, raw: str) -> str:
        """Return SQL that reads the text `raw` as a UTC timestamp."""
        kind = self.mapping.time_kind
        if kind in _EPOCH:
            return _from_epoch(raw, _EPOCH[kind])
        if kind == "relative_days":
            origin = f"epoch_us(TIMESTAMP {literal(str(self.mapping.origin.replace(tzinfo=None)))})"
            days = self.as_number(raw)
            in_reach = f"abs({days}) < 100000"
            return f"CASE WHEN {in_reach} THEN make_timestamp({origin} + CAST(round({days} * 86400e6) AS BIGINT)) END"
        if kind == "pattern":
            return self._local(f"try_strptime({raw}, {literal(str(self.mapping.time_pattern))})")
        if kind in {"day_first", "month_first"}:
            return self._slashed(raw, _DAY_FIRST if kind == "day_first" else _MONTH_FIRST)
        return self._automatic(raw)

    def _local(self, sql: str) -> str:
        """Read a timestamp without zone in the mapping's zone."""
        if self.mapping.timezone == "UTC":
            return sql
        return f"(({sql}) AT TIME ZONE {literal(self.mapping.timezone)}) AT TIME ZONE 'UTC'"

    def _slashed(self, raw: str, patterns: Iterable[str]) -> str:
        same = f"regexp_replace({raw}, '^([0-9]{{1,2}})[./-]([0-9]{{1,2}})[./-]', '\\1/\\2/')"
        listed = ", ".join(literal(pattern) for pattern in patterns)
        iso = f"TRY_CAST({raw} AS TIMESTAMP)"
        return self._local(f"coalesce(try_strptime(replace({same}, 'T', ' '), [{listed}]), {iso})")

    def _automatic(self, raw: str) -> str:
        plain_iso = ""
        if self.mapping.timezone == "UTC":
            iso = f"TRY_CAST({raw} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
            # Most logs hold nothing else; a cast that ignores offsets takes a sixth of the time where there are none.
            plain_iso = (
                f"WHEN {raw} LIKE '____-__-__%' AND NOT contains({raw}, '+') AND {raw} NOT LIKE '____-__-__%-%' "
                f"THEN coalesce(TRY_CAST({raw} AS TIMESTAMP), {iso})"
            )
        else:
            iso = (
                f"CASE WHEN regexp_matches({raw}, {_HAS_ZONE}) THEN TRY_CAST({raw} AS TIMESTAMPTZ) AT TIME ZONE 'UTC' "
                f"ELSE {self._local(f'TRY_CAST({raw} AS TIMESTAMP)')} END"
            )
        compact = self._local(f"try_strptime({raw}, '%Y%m%d')")
        return f"""CASE {plain_iso}
            WHEN regexp_full_match({raw}, '(1[89]|20)[0-9]{{6}}') THEN {compact}
            WHEN regexp_full_match({raw}, '[0-9]{{9,10}}(\\.[0-9]+)?') THEN {_from_epoch(raw, 1_000_000)}
            WHEN regexp_full_match({raw}, '[0-9]{{12,13}}') THEN {_from_epoch(raw, 1_000)}
            WHEN regexp_full_match({raw}, '[0-9]{{15,16}}') THEN {_from_epoch(raw, 1)}
            ELSE {iso} END"""

    def time(self) -> tuple[str, str]:
        """Return SQL for (the raw text, the UTC timestamp) of the role time."""
        references = [reference for reference in self.mapping.time if self.knows(reference)]
        typed = self._typed_time(references)
        return (typed[0], typed[1]) if typed else (self.text(Columns.TIME), self.moment("raw_time"))

    def _typed_time(self, references: list[str]) -> tuple[str, str] | None:
        """Return SQL for a time column that is a timestamp already: no text is made of it."""
        if len(references) != 1 or self.relation.kind != "columns" or self.mapping.time_kind != "auto":
            return None
        found = self._column(references[0])
        if found is None or found[1]:
            return None
        kind, name = self.relation.columns[found[0]], quote(found[0])
        if kind == "TIMESTAMP WITH TIME ZONE":
            return name, "CAST(raw_time AT TIME ZONE 'UTC' AS TIMESTAMP)"
        if kind.startswith("TIMESTAMP") or kind == "DATE":
            return name, self._local("CAST(raw_time AS TIMESTAMP)")
        return None

    def event(self) -> str:
        """Return SQL for the event's name, the constant one where the row has none."""
        raw = self.text(Columns.EVENT)
        if self.mapping.event_names:
            cases = " ".join(
                f"WHEN {literal(old)} THEN {literal(new)}" for old, new in self.mapping.event_names.items()
            )
            raw = f"CASE {raw} {cases} ELSE {raw} END"
        return f"coalesce({raw}, {literal(self.mapping.event_name)})" if self.mapping.event_name else raw

    def properties(self) -> str:
        """Return SQL for the properties as a JSON text, NULL where there are none."""
        wanted = self.mapping.properties
        if not wanted:
            return "NULL::VARCHAR"
        if len(wanted) == 1 and wanted[0] != EVERYTHING_ELSE:
            return self._nested(wanted[0])
        has_nested = wanted[0] != EVERYTHING_ELSE and EVERYTHING_ELSE in wanted
        nested = self._nested(wanted[0]) if has_nested else "NULL"
        others = self._wanted(wanted[has_nested:], wanted[:has_nested])
        pairs = [f"{literal(name)}, {self.present(sql)}" for name, sql in others]
        base = f"CASE WHEN json_valid({nested}) THEN {nested} ELSE '{{}}' END" if has_nested else "'{}'"
        return f"nullif(CAST(json_merge_patch({base}, json_object({', '.join(pairs)})) AS VARCHAR), '{{}}')"

    def _nested(self, name: str) -> str:
        """Return SQL for one column as a JSON object; one that holds JSON already is kept as it is."""
        raw = self.raw(name)
        if raw is None:
            return "NULL::VARCHAR"
        if self.relation.columns.get(name, "VARCHAR").startswith(("STRUCT", "MAP")):
            return f"CAST(to_json({raw}) AS VARCHAR)"
        text = self.present(raw)
        named = f"CAST(json_object({literal(name)}, {text}) AS VARCHAR)"
        return f"CASE WHEN {text} IS NULL THEN NULL WHEN {text} LIKE '{{%' THEN {text} ELSE {named} END"

    def _wanted(self, wanted: Iterable[str], nested: Container[str]) -> Iterator[tuple[str, str]]:
        names: dict[str, None] = {}
        for reference in wanted:
            names.update(dict.fromkeys(self._others() if reference == EVERYTHING_ELSE else (reference,)))
        for name in names:
            sql = None if name in nested else self.raw(name)
            if sql is not None:
                yield name, sql

    def _others(self) -> Iterator[str]:
        used = {found[0] for role in ROLES for found in map(self._column, self.mapping.references(role)) if found}
        parents = {name.rsplit(".", 1)[0] for name in self.relation.columns if "." in name}
        for name in self.relation.columns:
            is_parent = self.relation.kind == "json" and name in parents
            if name not in used and name not in self.mapping.wide and not is_parent:
                yield name

    def require(self) -> None:
        """Refuse a mapping whose user, time or event names nothing the relation has.

        Raises
        ------
        NotFoundError
            Names the reference, with the columns there are.
        """
        for role in STANDARD_ROLES:
            references = self.mapping.references(role)
            if references and role in REQUIRED_ROLES and not any(map(self.knows, references)):
                if role == Columns.EVENT and (self.mapping.event_name or self.mapping.wide):
                    continue
                raise NotFoundError.for_name("column", " / ".join(references), self.relation.columns)
        missing = [name for name in self.mapping.wide if not self.knows(name)]
        if missing and len(missing) == len(self.mapping.wide):
            raise InputError(
                N_("None of the columns that stand for events is there: {names}."), names=", ".join(missing[:8])
            )


REQUIRED_ROLES = (Columns.USER, Columns.TIME, Columns.EVENT)
STANDARD_ROLES = (*REQUIRED_ROLES, Columns.ITEM, Columns.VALUE, Columns.QUANTITY, Columns.SESSION)


def _from_epoch(raw: str, unit: int) -> str:
    # Whole numbers exactly; a fraction through DOUBLE, which holds microseconds of our century.
    whole = f"CAST({raw} AS BIGINT) * {unit}"
    number = f"CAST(round(TRY_CAST({raw} AS DOUBLE) * {unit}) AS BIGINT)"
    return (
        f"CASE WHEN regexp_full_match({raw}, '-?[0-9]{{1,13}}') OR ({unit} = 1 AND regexp_full_match({raw}, "
        f"'-?[0-9]{{1,17}}')) THEN make_timestamp({whole}) "
        f"WHEN abs(TRY_CAST({raw} AS DOUBLE) * {unit}) < 9e15 THEN make_timestamp({number}) END"
    )


def _json_path(reference: str) -> str:
    """Return the JSON path of a dotted reference, each part quoted (names hold $ and blanks)."""
    parts = ['"' + part.replace('"', '\\"') + '"' for part in reference.split(".")]
    return "$." + ".".join(parts)


def _xml_attribute(name: str) -> str:
    pattern = rf'\s{re.escape(name)}="([^"]*)"'
    found = f"regexp_extract(line, {literal(pattern)}, 1)"
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&")):
        found = f"replace({found}, '{entity}', {literal(character)})"
    return found
