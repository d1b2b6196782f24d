from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ulm_core.errors import CancelledError
from ulm_core.events.sources import FileSource
from ulm_core.messages import Message
from ulm_core.timeline.publish import import_log
from ulm_core.warehouse.loading import LoadOptions, frame_source
from ulm_core.warehouse.progress import LoadProgress, LoadWatch, Phase, expect
from ulm_core.workspace import Workspace


def a_log(path: Path, rows: int, first: int = 0) -> Path:
    lines = [f"u{n % 7},2024-01-01T00:00:{n % 60:02},view,i{n}\n" for n in range(first, first + rows)]
    path.write_text("user,time,event,item\n" + "".join(lines))
    return path


def source(path: Path) -> FileSource:
    return FileSource(str(path), path.name)


class Listener:
    def __init__(self, stop_at: Phase | None = None) -> None:
        self.seen: list[LoadProgress] = []
        self.said: list[Message] = []
        self.stop_at = stop_at
        self.watch = LoadWatch(self.said.append, self.seen.append, self.should_stop)

    def should_stop(self) -> bool:
        return any(progress.phase is self.stop_at for progress in self.seen)


class TestExpect:
    def test_a_small_text_has_as_many_rows_as_lines(self, tmp_path: Path) -> None:
        path = a_log(tmp_path / "log.csv", 9)
        assert expect(source(path)).rows == 10  # nine and the header: judged by lines
        assert expect(source(path)).size == path.stat().st_size

    def test_of_a_large_text_the_first_megabyte_is_counted(self, tmp_path: Path) -> None:
        path = a_log(tmp_path / "log.csv", 200_000)
        assert path.stat().st_size > 3 << 20
        assert expect(source(path)).rows == pytest.approx(200_000, rel=0.1)

    def test_a_packed_text_is_judged_by_its_packed_bytes(self, tmp_path: Path) -> None:
        plain = a_log(tmp_path / "log.csv", 600_000)
        packed = tmp_path / "log.csv.gz"
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        assert expect(source(packed)).rows == pytest.approx(600_000, rel=0.25)

    def test_parquet_says_how_many_rows_it_has(self, tmp_path: Path) -> None:
        path = tmp_path / "log.parquet"
        pq.write_table(pa.table({"user": list("abcde")}), path)
        assert expect(source(path)).rows == 5

    def test_of_a_json_array_and_of_an_address_nobody_knows(self, tmp_path: Path) -> None:
        path = tmp_path / "log.json"
        path.write_text("[{}]")
        assert expect(source(path)).rows is None
        assert expect(FileSource("https://example.org/log.csv", "log.csv")).rows is None


class TestLoad:
    def test_phases_come_in_order_and_the_rows_end_at_the_exact_number(
        self, workspace: Workspace, tmp_path: Path
    ) -> None:
        heard = Listener()
        import_log(workspace, a_log(tmp_path / "log.csv", 50), report=heard.watch)
        phases = list(dict.fromkeys(progress.phase for progress in heard.seen))
        assert phases == [Phase.READING, Phase.CHECKING, Phase.STORING, Phase.SNAPSHOT, Phase.INDEX]
        assert heard.seen[-1].rows == 50
        assert heard.seen[-1].share == 1
        rows = [progress.rows or 0 for progress in heard.seen]
        assert rows == sorted(rows)
        assert "50 rows read" in [str(text) for text in heard.said]

    def test_two_files_count_on(self, workspace: Workspace, tmp_path: Path) -> None:
        folder = tmp_path / "logs"
        folder.mkdir()
        a_log(folder / "a.csv", 30)
        a_log(folder / "b.csv", 30, first=30)
        heard = Listener()
        import_log(workspace, folder, report=heard.watch)
        halves = [progress for progress in heard.seen if progress.rows == 30]
        assert {progress.rows_expected for progress in halves} == {62}  # lines of both, headers among them
        assert halves[0].share == pytest.approx(0.5, abs=0.02)
        assert heard.seen[-1].rows == 60

    def test_a_stream_tells_the_rows_it_handed_out(self, workspace: Workspace) -> None:
        table = pa.table({"user": ["a"] * 40, "time": ["2024-01-01"] * 40, "event": ["view"] * 40,
                          "item": [str(n) for n in range(40)]})  # fmt: skip
        heard = Listener()
        with frame_source(table.to_reader(10), "stream") as stream:
            import_log(workspace, stream, report=heard.watch)
        assert heard.seen[-1].rows == 40
        assert heard.seen[0].rows_expected is None

    @pytest.mark.parametrize("phase", [Phase.READING, Phase.CHECKING, Phase.STORING])
    def test_stopped_before_it_is_committed_nothing_is_changed(
        self, workspace: Workspace, tmp_path: Path, phase: Phase
    ) -> None:
        import_log(workspace, a_log(tmp_path / "log.csv", 5))
        before = workspace.current_version()
        heard = Listener(stop_at=phase)
        with pytest.raises(CancelledError):
            import_log(workspace, a_log(tmp_path / "more.csv", 20, first=5), report=heard.watch)
        assert workspace.current_version() == before
        again = import_log(workspace, tmp_path / "more.csv", options=LoadOptions())
        assert again.rows_loaded == 20
