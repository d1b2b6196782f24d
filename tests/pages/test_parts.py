from __future__ import annotations

from datetime import date

import pytest

from pages.parts import config_form, filters, fmt
from pages.parts.filters import Choices, read_attributes, read_period
from ulm_core.errors import InputError
from ulm_core.training.config import FineTuneConfig

YEAR = Choices(date(2017, 1, 1), date(2017, 12, 31), {"age": ["19-24", "65+"]})


class TestPeriod:
    def test_days_count_back_from_the_end_of_the_data(self) -> None:
        assert read_period("30d", None, None, YEAR) == (date(2017, 12, 2), date(2017, 12, 31))

    def test_a_period_longer_than_the_data_is_all_of_it(self) -> None:
        short = Choices(date(2017, 12, 20), date(2017, 12, 31))
        assert read_period("90d", None, None, short) == (date(2017, 12, 20), date(2017, 12, 31))

    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [
            ("2017-03-01", "2017-03-31", (date(2017, 3, 1), date(2017, 3, 31))),
            ("2017-03-31", "2017-03-01", (date(2017, 3, 1), date(2017, 3, 31))),
            ("1999-01-01", "2099-01-01", (YEAR.first, YEAR.last)),
            ("2019-01-01", "2019-02-01", (YEAR.first, YEAR.last)),
            ("yesterday", None, (YEAR.first, YEAR.last)),
        ],
    )
    def test_custom_dates_stay_inside_the_data(self, start: str, end: str | None, expected: tuple[date, date]) -> None:
        assert read_period("custom", start, end, YEAR) == expected


def test_attributes_keep_only_what_exists() -> None:
    asked = ["age:65+", "age:7", "planet:mars", "nonsense"]
    assert read_attributes(asked, YEAR.attributes) == {"age": ("65+",)}


def test_the_name_of_an_export_holds_the_filters() -> None:
    chosen = filters.Filters("30d", date(2017, 12, 2), date(2017, 12, 31), "day", ("at risk",), {"age": ("65+",)})
    assert chosen.slug == "2017-12-02_2017-12-31_day_at-risk_age-65+"
    assert chosen.n_active == 2


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "shown"),
        [(999, "999"), (9_999, "9,999"), (12_500, "12.5k"), (1_166_000, "1.2M"), (2e9, "2.0B"), (float("nan"), "–")],
    )
    def test_english(self, value: float, shown: str) -> None:
        assert fmt.compact(value) == shown

    @pytest.mark.parametrize(
        ("value", "shown"), [(9_999, "9,999"), (12_500, "1.2万"), (1_166_000, "116.6万"), (2.5e8, "2.5亿")]
    )
    def test_chinese_counts_in_wan_and_yi(self, value: float, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fmt, "language", lambda: "zh")
        assert fmt.compact(value) == shown

    def test_money_names_its_currency(self) -> None:
        assert fmt.money(1_234.5, "USD") == "$1,234.50"
        assert fmt.money(1_234_500, "USD", short=True) == "$1.2M"
        assert fmt.money(5, None, short=True) == "5"

    def test_no_number_is_a_dash_and_no_base_is_not_zero(self) -> None:
        assert fmt.percent(None) == fmt.MISSING
        assert fmt.signed_percent(float("nan")) == "n/a"

    def test_durations_have_two_units(self) -> None:
        assert fmt.duration(90) == "1 min 30 s"
        assert fmt.duration(2 * 86_400 + 3 * 3_600) == "2 d 3 h"


class TestTrainingForm:
    def test_every_setting_has_a_name_in_words(self) -> None:
        assert set(FineTuneConfig.model_fields) == set(config_form.LABELS)

    def test_every_setting_is_explained(self) -> None:
        assert [name for name, field in FineTuneConfig.model_fields.items() if not field.description] == []

    def test_limits_come_from_the_settings_class(self) -> None:
        assert config_form.limits(FineTuneConfig.model_fields["dropout"]) == (0.0, 1.0)

    def test_settings_that_do_not_go_together_are_said_plainly(self) -> None:
        with pytest.raises(InputError, match="nothing to learn"):
            config_form.build({"alpha": 0, "beta": 0})
        with pytest.raises(InputError, match="Learning rate"):
            config_form.build({"learning_rate": -1})
