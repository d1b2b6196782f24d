import pytest

from ulm_core.errors import InputError
from ulm_core.settings import get_settings


def test_environment_overrides_defaults(settings_environment: pytest.MonkeyPatch) -> None:
    settings_environment.setenv("ULM_THREADS", "3")
    assert get_settings().threads == 3


def test_a_bad_value_names_the_setting(settings_environment: pytest.MonkeyPatch) -> None:
    settings_environment.setenv("ULM_PORT", "99999")
    with pytest.raises(InputError, match="port"):
        get_settings()


def test_the_dashboard_listens_on_loopback(settings_environment: pytest.MonkeyPatch) -> None:
    settings_environment.delenv("ULM_HOST", raising=False)
    assert get_settings().host == "127.0.0.1"
