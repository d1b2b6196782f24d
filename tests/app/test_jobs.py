"""Background work as a reader sees it: what starts, what is shown while it runs, how it ended."""

from __future__ import annotations

import fcntl
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.app.conftest import OpenPage, shown
from ulm_core.i18n import translator
from ulm_core.jobs.process import run_job
from ulm_core.jobs.records import JobState, JobStore, utc_now
from ulm_core.timeline.erase import erase_user
from ulm_core.training.comparing import PER_USER
from ulm_core.training.config import FineTuneConfig
from ulm_core.training.runs import Comparison, RunRecord, RunStore
from ulm_core.workspace import Workspace

METRICS = {"ndcg10": 0.53, "recall10": 0.08, "coverage10": 0.2, "churn_auc": 0.84, "churn_brier": 0.05, "users": 100.0}


def a_run(run_id: str, **changes: object) -> RunRecord:
    record = RunRecord(
        run_id=run_id,
        name="Try one",
        state="finished",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        config=FineTuneConfig(tower="linear"),
        data_version="v",
        data_cut=datetime(2025, 11, 1, tzinfo=UTC),
        data_until=datetime(2025, 12, 31, tzinfo=UTC),
        metrics=METRICS,
        baselines={"popularity": {"ndcg10": 0.27}, "personal_frequency": {"ndcg10": 0.51}},
        stages={"loyal": {"ndcg10": 0.6, "users": 60.0}},
        baseline_stages={"loyal": {"ndcg10": 0.5, "users": 60.0}},
        comparison=Comparison(baseline="personal_frequency", mean=0.02, low=0.01, high=0.03),
        curve=[{"step": 1.0, "loss": 2.0, "loss_churn": 0.5}, {"step": 2.0, "loss": 1.0, "validation_ndcg10": 0.4}],
        seconds={"train": 60.0, "judge": 5.0},
    )
    return record.model_copy(update=changes)


class TestLoading:
    def test_without_a_worker_the_page_says_what_to_do(self, open_page: OpenPage, workspace: Workspace) -> None:
        app = open_page(workspace, "overview")
        app.button(key="empty_load_overview").click().run()
        assert not app.exception
        assert "make run" in shown(app)

    def test_a_failed_load_says_why_in_the_readers_language(
        self, open_page: OpenPage, small_workspace: Workspace, tmp_path: Path
    ) -> None:
        bad = tmp_path / "bad.csv"
        bad.write_text("name,colour\nann,red\n")
        job = JobStore(small_workspace).create("load-file", {"path": str(bad), "mode": "append"})
        assert run_job(small_workspace, job.id) is JobState.FAILED
        app = open_page(small_workspace, "data", "zh")
        assert not app.exception
        assert "文件缺少列" in app.error[0].value

    def test_a_finished_load_is_on_the_page_at_once(
        self, open_page: OpenPage, small_workspace: Workspace, tmp_path: Path
    ) -> None:
        more = tmp_path / "more.csv"
        more.write_text("user,time,event\ndan,2024-03-01,view\nbad row,,view\n")
        job = JobStore(small_workspace).create("load-file", {"path": str(more), "mode": "append"})
        assert run_job(small_workspace, job.id) is JobState.FINISHED
        app = open_page(small_workspace, "data")
        users = next(metric for metric in app.metric if metric.label == "Users")
        assert users.value == "4"
        left_out = next(metric for metric in app.metric if metric.label == "Set aside")
        assert left_out.value == "1"


class TestTraining:
    def test_the_form_starts_a_job_with_the_settings(self, open_page: OpenPage, small_workspace: Workspace) -> None:
        app = open_page(small_workspace, "training")
        app.number_input(key="train_max_steps").set_value(30)
        app.segmented_control(key="train_tower").set_value("cnn")
        next(button for button in app.button if button.label == "Start fine-tuning").click().run()
        assert not app.exception
        job = JobStore(small_workspace).all("train")[0]
        assert (job.parameters["max_steps"], job.parameters["tower"]) == (30, "cnn")

    def test_a_preset_sets_the_form_and_can_be_changed(self, open_page: OpenPage, small_workspace: Workspace) -> None:
        app = open_page(small_workspace, "training")
        app.segmented_control(key="train_preset").set_value("quick").run()
        assert app.segmented_control(key="train_tower").value == "linear"
        app.number_input(key="train_max_steps").set_value(50)
        next(button for button in app.button if button.label == "Start fine-tuning").click().run()
        assert not app.exception
        assert not app.warning
        job = JobStore(small_workspace).all("train")[0]
        assert (job.parameters["max_steps"], job.parameters["tower"], job.parameters["length"]) == (50, "linear", 32)

    @pytest.mark.parametrize(("language", "words"), [("en", "is better than"), ("zh", "优于")])
    def test_two_runs_are_compared_and_the_one_before_can_come_back(
        self, open_page: OpenPage, small_workspace: Workspace, language: str, words: str
    ) -> None:
        store = RunStore(small_workspace)
        luck = np.random.default_rng(0).normal(0, 0.1, 200)
        for day, (name, ndcg) in enumerate((("old", 0.5), ("new", 0.53)), start=1):
            store.save(
                RunRecord(
                    run_id=name, name=name, state="finished", started_at=datetime(2026, 1, day, tzinfo=UTC),
                    config=FineTuneConfig(tower="cnn" if name == "new" else "linear"), metrics={"ndcg10": ndcg},
                    comparison=Comparison(baseline="popularity", mean=0.1, low=0.05, high=0.15), judged_by="same",
                )
            )  # fmt: skip
            (store.directory(name) / "model").mkdir()
            (store.directory(name) / "model" / "model.json").write_text("{}")
            users = {"user": np.arange(200), "ndcg10": ndcg + luck, "recall10": luck}
            save_file(users, store.directory(name) / PER_USER)
            store.promote(name)
        assert any(words in box.value for box in open_page(small_workspace, "training", language).success)
        app = open_page(small_workspace, "training")
        app.button(key="roll_back").click().run()
        assert not app.exception
        promoted = store.promoted()
        assert promoted is not None
        assert promoted.run_id == "old"

    def test_a_running_job_shows_step_loss_and_a_way_to_stop(
        self, open_page: OpenPage, small_workspace: Workspace
    ) -> None:
        store = JobStore(small_workspace)
        job = store.create("train", FineTuneConfig(name="Live one").model_dump(mode="json"))
        store.update(job.id, state=JobState.RUNNING, started_at=utc_now())
        folder = store.directory(job.id)
        lines = [
            {"at": f"2026-01-01T00:00:{s:02}+00:00", "step": s, "total": 40, "metrics": {"loss": 1 / s}}
            for s in (1, 2, 3)
        ]
        (folder / "progress.jsonl").write_text("\n".join(map(json.dumps, lines)))
        (folder / "log.txt").write_text("learning\n")
        with (folder / ".alive").open("a+") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX)
            app = open_page(small_workspace, "training")
            assert not app.exception
            assert "Live one" in shown(app)
            assert any("Step 3 of 40" in bar.text for bar in app.get("progress"))
            app.button(key=f"cancel_{job.id}").click().run()
            app.button(key="cancel_yes").click().run()
        assert (folder / "cancel").exists()

    @pytest.mark.parametrize(
        ("changes", "word"),
        [
            ({}, "Beats the baselines"),
            ({"comparison": Comparison(baseline="popularity", mean=0, low=-0.1, high=0.1)}, "No clear difference"),
            ({"comparison": Comparison(baseline="popularity", mean=-0.2, low=-0.3, high=-0.1)}, "Worse than"),
        ],
    )
    def test_the_verdict_is_honest(
        self, open_page: OpenPage, small_workspace: Workspace, changes: dict[str, object], word: str
    ) -> None:
        RunStore(small_workspace).save(a_run("20260101-000000-aaaa", **changes))
        app = open_page(small_workspace, "training")
        assert not app.exception
        titles = [
            str(getattr(box.proto, "title", "")) for kind in ("success", "info", "warning") for box in app.get(kind)
        ]
        assert any(word in title for title in titles), titles

    def test_a_run_that_died_is_not_shown_as_running(self, open_page: OpenPage, small_workspace: Workspace) -> None:
        RunStore(small_workspace).save(a_run("20260101-000000-aaaa", state="running", metrics={}, comparison=None))
        app = open_page(small_workspace, "training")
        assert app.dataframe[0].value["state"].tolist() == ["crashed"]

    @pytest.mark.parametrize("lang", ["en", "zh"])
    def test_a_run_trained_on_erased_data_is_stale_and_says_what_to_do(
        self, open_page: OpenPage, small_workspace: Workspace, lang: str
    ) -> None:
        store = RunStore(small_workspace)
        for place, version in enumerate((small_workspace.current_version(), "000099-ffffffff")):
            store.save(a_run(f"2026010{place + 1}-000000-aaaa", data_version=str(version)))
        (small_workspace.runs_dir / "PROMOTED").write_text("20260101-000000-aaaa")
        erase_user(small_workspace, "cem")
        app = open_page(small_workspace, "training", lang)
        assert not app.exception
        say = translator(lang)
        warnings = [box for box in app.warning if say("Stale: trained on erased data") in str(box.proto)]
        assert len(warnings) == 2  # of the run in use, and of the selected one
        assert all(say("Start a new fine-tuning and put that run into use.") in box.value for box in warnings)
        assert all(say("stale") in state for state in app.dataframe[0].value["state"])


class TestUser:
    def test_an_unknown_user_is_said_plainly_with_near_ones(
        self, open_page: OpenPage, small_workspace: Workspace
    ) -> None:
        app = open_page(small_workspace, "user", user="an")
        assert not app.exception
        assert app.button(key="near_ann").label == "ann"
        app.button(key="near_ann").click().run()
        assert "User ann" in shown(app)

    def test_next_goes_round_and_stays_in_the_address(self, open_page: OpenPage, small_workspace: Workspace) -> None:
        app = open_page(small_workspace, "user", user="cem")
        app.button(key="user_next").click().run()
        assert app.query_params["user"] in ("ann", ["ann"])

    def test_absent_attributes_are_said_to_be_absent(self, open_page: OpenPage, small_workspace: Workspace) -> None:
        assert "absent" in shown(open_page(small_workspace, "user", user="ann"))

    def test_every_recommendation_has_a_sentence_and_the_sum_is_shown(
        self, open_page: OpenPage, small_workspace: Workspace
    ) -> None:
        text = shown(open_page(small_workspace, "user", user="ann"))
        assert "Frequency baseline" in text or "train one" in text
        assert "(base value)" in text
        assert "= " in text

    def test_a_model_of_other_data_leaves_the_rest_of_the_page(
        self, open_page: OpenPage, small_workspace: Workspace
    ) -> None:
        store = RunStore(small_workspace)
        store.save(a_run("20260101-000000-aaaa"))
        (small_workspace.runs_dir / "PROMOTED").write_text("20260101-000000-aaaa")
        app = open_page(small_workspace, "user", user="ann")
        assert not app.exception
        assert "User ann" in shown(app)
        assert "left no model" in app.warning[0].value
