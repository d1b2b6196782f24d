import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from tests.lifecycle.logs import CONFIG, RANDOM_START_US, days, index_of, random_rows
from ulm_core.errors import InputError, NotFoundError
from ulm_core.lifecycle.behaviour import BEHAVIOURS, MONTH_DAYS, behaviour_at
from ulm_core.lifecycle.churn_times import default_origin, observe
from ulm_core.lifecycle.cox import CoxSpec, Driver, compute_cox
from ulm_core.lifecycle.filters import NOT_KNOWN, UserLabels
from ulm_core.lifecycle.groups import OTHER
from ulm_core.lifecycle.periods import DAY_US
from ulm_core.messages import message

NAMES = tuple(BEHAVIOURS)
ORIGIN = 100 * DAY_US


def behaviour(*rows, at: float = 100, window: int = 28) -> dict[str, float]:
    found = behaviour_at(index_of(rows), CONFIG, round(at * DAY_US), window, NAMES)[0]
    return dict(zip(NAMES, found.tolist(), strict=True))


class TestBehaviour:
    def test_silence_and_tenure_in_weeks_and_months(self):
        found = behaviour(*days("u", 10, 93))
        assert found["silence"] == pytest.approx(7 / 7)
        assert found["tenure"] == pytest.approx(90 / MONTH_DAYS)

    def test_active_days_are_blocks_of_24_hours_back_from_the_moment(self):
        # 99.5 and 99.2 are one day; 80 and 75 lie in the 14 days before the last 14; 71 is older than 28 days.
        found = behaviour(*days("u", 71, 75, 80, 99.2, 99.5))
        assert found["active_days"] == 3
        assert found["trend"] == 1 - 2

    def test_value_of_conversions_in_doublings(self):
        rows = [("u", 90 * DAY_US, "buy", 7.0), ("u", 95 * DAY_US, "a", 100.0), ("u", 10 * DAY_US, "buy", 50.0)]
        assert behaviour(*rows)["value"] == pytest.approx(math.log2(1 + 7))

    def test_nothing_at_or_after_the_moment_counts(self):
        assert behaviour(*days("u", 50, 100, 120)) == behaviour(*days("u", 50))

    def test_what_is_done_to_a_user_is_no_behaviour(self):
        assert behaviour(*days("u", 50), *days("u", 99, event="mail")) == behaviour(*days("u", 50))

    def test_a_user_not_seen_yet_has_none(self):
        assert all(math.isnan(value) for value in behaviour(*days("u", 150)).values())

    @settings(max_examples=40, deadline=None)
    @given(random_rows())
    def test_equals_a_naive_walk(self, rows):
        at = RANDOM_START_US + 40 * DAY_US + 3
        index = index_of(rows, 2)
        found = behaviour_at(index, CONFIG, at, 20, NAMES)
        for user, name in enumerate(index.user_ids):
            own = [(t, e, v) for u, t, e, v in rows if u == name and t < at and e != "mail"]
            if not own:
                assert np.isnan(found[user]).all()
                continue
            blocks = {(at - 1 - t) // DAY_US for t, _, _ in own}
            late, early = sum(b < 10 for b in blocks), sum(10 <= b < 20 for b in blocks)
            value = sum(v for t, e, v in own if e == "buy" and (at - 1 - t) // DAY_US < 20)
            expected = [
                (at - max(t for t, _, _ in own)) / DAY_US / 7,
                (at - min(t for t, _, _ in own)) / DAY_US / MONTH_DAYS,
                late + early,
                late - early,
                math.log2(1 + value),
                0.0,  # these logs name no item
            ]
            assert found[user] == pytest.approx(expected)


def log(n: int = 240, seed: int = 0):
    """Return a log whose users, active every 3 days, stop the sooner after day 100 the rarer they came before."""
    rng = np.random.default_rng(seed)
    rows = days("zz", 300)
    for user in range(n):
        step = int(rng.choice([3, 6, 9]))
        end = 100 + rng.exponential(400 / step)
        rows += days(f"u{user:03}", *np.arange(100 - 3 * step, min(end, 299), step))
    return index_of(rows, 3)


INDEX = log()
SPEC = CoxSpec(origin_us=ORIGIN, horizon_days=20, behaviours=("active_days", "silence"))


def labels(known: float, seed: int = 1) -> UserLabels:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2, INDEX.n_users).astype(np.int32)
    codes[rng.random(INDEX.n_users) > known] = 2
    return UserLabels("plan", ("free", "paid", NOT_KNOWN), codes)


class TestCox:
    def test_equals_lifelines_on_the_same_table(self):
        from lifelines import CoxPHFitter
        from lifelines.statistics import proportional_hazard_test

        cox = compute_cox(INDEX, CONFIG, SPEC)
        seen = observe(INDEX, CONFIG, ORIGIN, 20)
        frame = pd.DataFrame(behaviour_at(INDEX, CONFIG, ORIGIN, 20, SPEC.behaviours), columns=list(SPEC.behaviours))
        frame = frame.assign(d=seen.days, e=seen.has_churned)[seen.is_at_risk]
        fitter = CoxPHFitter().fit(frame, "d", "e")
        schoenfeld = proportional_hazard_test(fitter, frame, time_transform="rank")
        for k, driver in enumerate(cox.drivers):
            row = fitter.summary.loc[driver.name]
            assert driver.ratio == pytest.approx(row["exp(coef)"], abs=1e-9)
            assert driver.lower == pytest.approx(row["exp(coef) lower 95%"], abs=1e-9)
            assert driver.upper == pytest.approx(row["exp(coef) upper 95%"], abs=1e-9)
            assert driver.p_value == pytest.approx(row["p"], abs=1e-9)
            assert driver.changes_p == pytest.approx(schoenfeld.p_value[k], abs=1e-9)
        assert cox.concordance == pytest.approx(fitter.concordance_index_)

    def test_finds_that_who_came_more_often_stays_longer(self):
        cox = compute_cox(INDEX, CONFIG, SPEC.model_copy(update={"behaviours": ("active_days",)}))
        assert cox.drivers[0].upper < 1

    def test_what_happens_after_the_origin_moves_no_covariate(self):
        later = index_of([*days("u", 1, 99), *days("v", 99), *days("u", 130), *days("zz", 300)])
        before = index_of([*days("u", 1, 99), *days("v", 99), *days("zz", 300)])
        for name in NAMES:
            found, expected = (behaviour_at(i, CONFIG, ORIGIN, 28, [name])[:2] for i in (later, before))
            assert found.tolist() == expected.tolist()

    def test_whether_an_attribute_is_known_is_no_covariate(self):
        some = compute_cox(INDEX, CONFIG, SPEC.model_copy(update={"attributes": (labels(0.5),)}))
        assert [d.name for d in some.drivers if not d.is_behaviour] in (["plan=free"], ["plan=paid"])
        assert some.not_known == {"plan": int((some.included & (labels(0.5).codes == 2)).sum())}
        assert "nothing is known" in str(some.sentences()[0])

    def test_users_of_whom_it_is_not_known_are_a_stratum(self):
        from lifelines import CoxPHFitter

        plan = labels(0.5)
        cox = compute_cox(INDEX, CONFIG, SPEC.model_copy(update={"attributes": (plan,), "behaviours": ("silence",)}))
        seen = observe(INDEX, CONFIG, ORIGIN, 20)
        frame = pd.DataFrame({"silence": behaviour_at(INDEX, CONFIG, ORIGIN, 20, ["silence"])[:, 0]})
        value = cox.drivers[1].name.removeprefix("plan=")
        frame = frame.assign(own=plan.codes == plan.names.index(value), known=plan.codes < 2)
        frame = frame.assign(d=seen.days, e=seen.has_churned)[seen.is_at_risk].astype(float)
        expected = CoxPHFitter(strata=["known"]).fit(frame, "d", "e").hazard_ratios_
        assert [d.ratio for d in cox.drivers] == pytest.approx(expected.tolist(), abs=1e-9)

    def test_rare_values_are_gathered(self):
        codes = np.arange(INDEX.n_users, dtype=np.int32) % 40
        codes[codes > 12] = 0
        found = compute_cox(
            INDEX,
            CONFIG,
            SPEC.model_copy(update={"attributes": (UserLabels("town", tuple(f"t{k}" for k in range(40)), codes),)}),
        )
        names = [driver.name for driver in found.drivers if not driver.is_behaviour]
        assert f"town={OTHER}" in names
        assert all(math.isfinite(driver.upper) for driver in found.drivers)

    def test_what_is_the_same_for_everyone_is_left_out(self):
        cox = compute_cox(INDEX, CONFIG, CoxSpec(origin_us=ORIGIN, horizon_days=20, behaviours=("silence", "items")))
        assert cox.left_out == ("items",)

    def test_each_list_is_as_long_as_its_number(self):
        cox = compute_cox(INDEX, CONFIG, SPEC.model_copy(update={"attributes": (labels(1.0),)}))
        assert len(cox.users(("", "all"))) == cox.n_users
        assert len(cox.users(("", "churned"))) == cox.n_churned
        value = next(driver.name for driver in cox.drivers if not driver.is_behaviour)
        own = labels(1.0).codes == labels(1.0).names.index(value.removeprefix("plan="))
        assert cox.users((value, "high")).tolist() == np.flatnonzero(cox.included & own).tolist()
        quarter = cox.users(("silence", "high"))
        rest = np.setdiff1d(cox.users(("", "all")), quarter)
        assert cox.values[quarter, 1].min() > cox.values[rest, 1].max()
        with pytest.raises(NotFoundError, match="silence"):
            cox.users(("silences", "high"))

    def test_effect_over_time_of_a_constant_effect_surrounds_its_ratio(self):
        cox = compute_cox(INDEX, CONFIG, SPEC)
        table = cox.effect_over_time("active_days").to_pandas()
        assert (np.diff(table["days"]) > 0).all()
        assert len(cox.residuals) == cox.n_churned
        # Schoenfeld residuals sum to zero, so that the mean of all of them is the coefficient.
        assert cox.residuals[:, 0].mean() == pytest.approx(math.log(cox.drivers[0].ratio), abs=1e-6)

    def test_too_little_churn_is_said(self):
        quiet = index_of([*days("u", *range(0, 300, 5)), *days("v", 90), *days("zz", 300)])
        with pytest.raises(InputError, match="Too little"):
            compute_cox(quiet, CONFIG, SPEC)
        with pytest.raises(NotFoundError, match="silence"):
            compute_cox(INDEX, CONFIG, SPEC.model_copy(update={"behaviours": ("silenc",)}))

    def test_json(self):
        answer = compute_cox(INDEX, CONFIG, SPEC).to_json()
        assert answer["drivers"][0]["unit"] == "active day in the last 20 days"
        assert "ratio" in answer["drivers"][0]["assumption"]


class TestAssumption:
    def driver(self, **fields) -> Driver:
        shared = {"ratio": 2.0, "lower": 1.5, "upper": 3.0, "p_value": 0.001, "p_holm": 0.001, "changes_p": 0.001}
        rest = {"name": "x", "unit": message("u"), "is_behaviour": True, "changes_holm": 0.001, "trend": 0.5}
        return Driver(**{**shared, **rest, **fields})

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"changes_holm": 0.4}, "No sign"),
            ({"changes_holm": math.nan}, "No sign"),
            ({"trend": 0.5}, "grows"),
            ({"trend": -0.5}, "fades"),
            ({"ratio": 0.5, "trend": 0.5}, "fades"),
            ({"ratio": 0.5, "trend": -0.5}, "grows"),
        ],
    )
    def test_in_words(self, fields, words):
        assert words in str(self.driver(**fields).assumption())


def test_the_default_origin_leaves_half_a_year_or_half_of_a_short_log():
    assert default_origin(index_of(days("u", 0, 400)), CONFIG) == (400 - 182) * DAY_US
    assert default_origin(index_of(days("u", 0, 100)), CONFIG) == 50 * DAY_US
