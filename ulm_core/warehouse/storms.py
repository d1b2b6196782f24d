"""Event storms: users whose moments are too many or too regular for a person (docs/loading.md)."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ulm_core.events.cleaning import CleaningRules
from ulm_core.warehouse.database import Database

ROWS_AT_ONCE = 10_000_000  # of users with enough rows; what is sorted passes through memory

Ints = npt.NDArray[np.int64]


def find_storms(database: Database, rules: CleaningRules) -> None:
    """Write users with an event storm into the temporary table ``storms(user_id, flag, rows, detail)``.

    Counted are different moments, not rows: an order of 500 lines is one moment. A user is a robot by *rate*
    (`robot_moments_per_hour` moments within one hour) or by *regularity* (of at least `robot_min_moments`
    moments, `robot_regular_share` of the gaps below an hour are the same number of seconds).
    """
    database.execute("CREATE OR REPLACE TEMP TABLE storms (user_id VARCHAR, flag VARCHAR, rows BIGINT, detail VARCHAR)")
    if rules.robots == "off":
        return
    least = min(rules.robot_min_moments, rules.robot_moments_per_hour)
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE busy AS SELECT user_id, hash(user_id) AS user, count(*) AS n
        FROM staging WHERE reason IS NULL GROUP BY user_id HAVING count(*) >= {least}"""
    )
    rows = int(str(database.scalar("SELECT coalesce(sum(n), 0) FROM busy")))
    shares = rows // ROWS_AT_ONCE + 1
    for share in range(shares) if rows else ():
        _find(database, rules, f"hash(user_id) % {shares} = {share}")
    database.execute("DROP TABLE busy")


def _find(database: Database, rules: CleaningRules, where: str) -> None:
    moments = database.query(
        f"""SELECT hash(user_id) AS user, epoch_us(time) AS time FROM staging
        WHERE reason IS NULL AND {where} AND hash(user_id) IN (SELECT user FROM busy) ORDER BY 1, 2"""
    )
    user, time = (moments[name].to_numpy() for name in ("user", "time"))
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(user)) + 1, [len(user)]]) if len(user) else np.zeros(1, int)
    count, per_hour, short, same, gap = _facts(bounds.astype(np.int64), time)
    enough = max(rules.robot_min_moments, 1)
    regular = (count >= enough) & (short >= enough - 1) & (same >= rules.robot_regular_share * (count - 1))
    rows = np.diff(bounds)
    for flag, marked, detail in (
        ("rate", per_hour >= rules.robot_moments_per_hour, per_hour),
        ("regularity", regular, gap),
    ):
        if marked.any():
            found = {"user": user[bounds[:-1]][marked], "rows": rows[marked], "detail": detail[marked]}
            database.keep("marked", pa.table(found))
            database.execute(
                f"INSERT INTO storms SELECT user_id, '{flag}', rows, detail::VARCHAR FROM busy JOIN marked USING (user)"
            )
            database.execute("DROP TABLE marked")


@numba.njit(cache=True, nogil=True)
def _facts(bounds: Ints, time: Ints) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Return per user: moments, most within a clock hour, gaps of 1 to 3599 s, the most frequent's count and length."""
    n = len(bounds) - 1
    count, per_hour, short = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    same, gap = np.zeros(n, np.int64), np.zeros(n, np.int64)
    # A log that knows days only has nothing but equal gaps: gaps of an hour and more say nothing.
    lengths = np.zeros(3600, np.int64)
    for k in range(n):
        lengths[:] = 0
        within = 0
        for e in range(bounds[k], bounds[k + 1]):
            is_first = e == bounds[k]
            if not is_first and time[e] == time[e - 1]:
                continue
            count[k] += 1
            within = 1 if is_first or time[e] // 3_600_000_000 != time[e - 1] // 3_600_000_000 else within + 1
            per_hour[k] = max(per_hour[k], within)
            seconds = 0 if is_first else time[e] // 1_000_000 - time[e - 1] // 1_000_000
            if 1 <= seconds < 3600:
                short[k] += 1
                lengths[seconds] += 1
        gap[k] = np.argmax(lengths)
        same[k] = lengths[gap[k]]
    return count, per_hour, short, same, gap
