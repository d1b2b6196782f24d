from datetime import UTC, date, datetime

import pytest

from ulm_core.errors import InputError
from ulm_core.lifecycle.parsing import parse_duration, parse_range, parse_time
from ulm_core.lifecycle.periods import DAY_US, HOUR_US, local_to_us, make_periods, to_datetime, to_us


def us(*parts: int) -> int:
    return to_us(datetime(*parts, tzinfo=UTC))  # type: ignore[misc,arg-type]


class TestMakePeriods:
    def test_days_are_half_open_and_cover_the_range(self):
        periods = make_periods(us(2024, 1, 1, 10), us(2024, 1, 3), "day")
        assert periods.labels == (date(2024, 1, 1), date(2024, 1, 2))
        assert periods.starts_us.tolist() == [us(2024, 1, 1), us(2024, 1, 2), us(2024, 1, 3)]

    def test_a_range_ending_just_after_midnight_holds_the_new_day(self):
        assert len(make_periods(us(2024, 1, 1), us(2024, 1, 3) + 1, "day")) == 3

    def test_weeks_start_on_monday_or_sunday(self):
        wednesday = us(2024, 1, 10)
        assert make_periods(wednesday, wednesday + 1, "week").labels == (date(2024, 1, 8),)
        assert make_periods(wednesday, wednesday + 1, "week", week_start="sunday").labels == (date(2024, 1, 7),)

    def test_a_sunday_begins_its_own_sunday_week_and_ends_a_monday_week(self):
        sunday = us(2024, 1, 7)
        assert make_periods(sunday, sunday + 1, "week", week_start="sunday").labels == (date(2024, 1, 7),)
        assert make_periods(sunday, sunday + 1, "week").labels == (date(2024, 1, 1),)

    def test_months_and_quarters_have_calendar_length(self):
        months = make_periods(us(2023, 12, 5), us(2024, 3, 1), "month")
        assert months.labels == (date(2023, 12, 1), date(2024, 1, 1), date(2024, 2, 1))
        assert (months.starts_us[3] - months.starts_us[2]) // DAY_US == 29
        assert make_periods(us(2023, 12, 5), us(2024, 3, 1), "quarter").labels == (date(2023, 10, 1), date(2024, 1, 1))

    def test_days_of_clock_changes_have_23_and_25_hours(self):
        spring = make_periods(us(2024, 3, 10, 12), us(2024, 3, 10, 13), "day", "America/New_York")
        autumn = make_periods(us(2024, 11, 3, 12), us(2024, 11, 3, 13), "day", "America/New_York")
        assert spring.to_us - spring.from_us == 23 * HOUR_US
        assert autumn.to_us - autumn.from_us == 25 * HOUR_US

    def test_the_week_of_a_clock_change_starts_at_local_midnight(self):
        week = make_periods(us(2024, 3, 6), us(2024, 3, 15), "week", "America/New_York")
        assert [to_datetime(s).hour for s in week.starts_us.tolist()] == [5, 4, 4]

    def test_a_day_that_starts_twice_starts_once(self):
        # Havana sets 01:00 back to 00:00 on 2024-11-03: local midnight happens at 04:00 and 05:00 UTC.
        havana = make_periods(us(2024, 11, 2, 12), us(2024, 11, 3, 12), "day", "America/Havana")
        assert havana.starts_us.tolist() == [us(2024, 11, 2, 4), us(2024, 11, 3, 4), us(2024, 11, 4, 5)]

    def test_a_midnight_that_is_skipped_is_the_instant_of_the_change(self):
        # Cairo went from 00:00 to 01:00 on 2024-04-26 (UTC+2 to UTC+3).
        assert local_to_us(datetime(2024, 4, 26), "Africa/Cairo") == us(2024, 4, 25, 22)

    def test_the_repeated_hour_is_two_periods(self):
        hours = make_periods(us(2024, 11, 3, 5), us(2024, 11, 3, 7), "hour", "America/New_York")
        assert [label.hour for label in hours.labels] == [1, 1]  # type: ignore[attr-defined]

    def test_hours_of_a_half_hour_zone_start_on_the_local_hour(self):
        hours = make_periods(us(2024, 1, 1, 0, 10), us(2024, 1, 1, 0, 20), "hour", "Asia/Kolkata")
        assert hours.starts_us.tolist() == [us(2023, 12, 31, 23, 30), us(2024, 1, 1, 0, 30)]

    def test_the_running_period_is_incomplete(self):
        periods = make_periods(us(2024, 1, 1), us(2024, 1, 15), "week", as_of_us=us(2024, 1, 14, 23))
        assert periods.is_complete.tolist() == [True, False]

    def test_an_empty_range_is_refused(self):
        with pytest.raises(InputError, match="empty"):
            make_periods(5, 5, "day")

    def test_an_unknown_time_zone_is_refused(self):
        with pytest.raises(InputError, match="Mars/Olympus"):
            make_periods(0, 5, "day", "Mars/Olympus")

    def test_the_period_before_the_first(self):
        march = make_periods(us(2024, 3, 5), us(2024, 3, 6), "month")
        assert march.before("UTC", "monday") == us(2024, 2, 1)

    def test_a_period_is_found_by_its_label(self):
        periods = make_periods(us(2024, 1, 1), us(2024, 1, 3), "day")
        assert periods.position("2024-01-02") == 1
        with pytest.raises(InputError, match="2024-02-01"):
            periods.position(date(2024, 2, 1))


class TestParsing:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("30s", 30), ("15m", 900), ("12h", 43_200), ("14d", 14 * 86_400), ("8w", 56 * 86_400), ("1.5h", 5_400)],
    )
    def test_durations(self, text: str, seconds: float):
        assert parse_duration(text) == seconds

    @pytest.mark.parametrize("text", ["", "14", "d", "0d", "-3d", "14 years", "14d 2h"])
    def test_what_is_no_duration_is_refused(self, text: str):
        with pytest.raises(InputError, match="not a duration"):
            parse_duration(text)

    def test_a_time_without_offset_is_local(self):
        assert parse_time("2024-07-01", "America/New_York") == us(2024, 7, 1, 4)
        assert parse_time("2024-07-01T12:00Z", "America/New_York") == us(2024, 7, 1, 12)

    def test_what_is_no_time_is_refused(self):
        with pytest.raises(InputError, match="not a date or time"):
            parse_time("yesterday", "UTC")

    def test_a_range_holds_the_whole_day_it_ends_on(self):
        from_us, to_us_ = parse_range("2024-01-01", "2024-01-31", "UTC")
        assert from_us is not None
        assert to_us_ is not None
        assert make_periods(from_us, to_us_, "day").to_us == us(2024, 2, 1)

    def test_a_range_that_ends_before_it_starts_is_refused(self):
        with pytest.raises(InputError, match="empty"):
            parse_range("2024-02-01", "2024-01-01", "UTC")
