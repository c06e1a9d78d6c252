from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from catena.shared.errors import InvalidRequest
from catena.shared.settings import SERVICE_NAMES, Settings


def test_everything_lies_below_home_unless_told_otherwise(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert settings.store == f"file://{tmp_path}/store"
    assert settings.address("calibrator") == f"unix:{settings.run_dir}/calibrator.sock"


def test_two_homes_are_two_installations(tmp_path: Path) -> None:
    one, two = Settings(home=tmp_path / "1"), Settings(home=tmp_path / "2")
    assert one.run_dir != two.run_dir
    assert one.run_dir == Settings(home=tmp_path / "1").run_dir


@pytest.mark.parametrize("service", SERVICE_NAMES)
def test_default_sockets_fit_into_107_bytes(service: str, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 200)
    assert len(bytes(Settings(home=deep).socket_path(service))) <= 107


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATENA_MAX_JOBS", "7")
    monkeypatch.setenv("CATENA_CALIBRATOR_ADDRESS", "dns:///calibrator:50051")
    settings = Settings()
    assert settings.max_jobs == 7
    assert settings.address("calibrator") == "dns:///calibrator:50051"


def test_a_server_listens_at_its_address_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CATENA_CALIBRATOR_ADDRESS", "dns:///calibrator:50051")
    assert Settings().listen_address("calibrator") == "calibrator:50051"
    assert Settings(listen="0.0.0.0:6000").listen_address("calibrator") == "0.0.0.0:6000"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"tls_cert": "c.pem"}, "CATENA_TLS_KEY"),
        ({"tls_key": "k.pem"}, "CATENA_TLS_CERT"),
        ({"tls_client_required": True}, "CATENA_TLS_CA"),
        ({"tls_client_required": True, "tls_ca": "ca.pem"}, "CATENA_TLS_CERT"),
        ({"max_jobs": 0}, "max_jobs"),
        ({"deadline_s": 0}, "deadline_s"),
    ],
)
def test_half_of_a_configuration_is_refused(values: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Settings(**values)


def test_the_token_is_in_no_picture_of_the_settings() -> None:
    settings = Settings(token="hush-hush")
    assert settings.bearer_token == "hush-hush"
    for text in (
        repr(settings),
        str(settings),
        str(settings.model_dump()),
        settings.model_dump_json(),
    ):
        assert "hush" not in text


def test_a_token_file_is_read_and_trimmed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc\n")
    assert Settings(token_file=file).bearer_token == "abc"


def test_a_token_file_that_is_missing_or_empty_is_never_taken_for_no_token(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        _ = Settings(token_file=tmp_path / "none").bearer_token
    (tmp_path / "empty").write_text(" \n")
    with pytest.raises(InvalidRequest, match="is empty"):
        _ = Settings(token_file=tmp_path / "empty").bearer_token


@pytest.mark.parametrize("token", ["two words", "hüsh", "one\ntwo", "tab\t", "nul\x00"])
def test_what_cannot_travel_as_a_token_is_refused_without_being_shown(
    token: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"x{token}x")
    for settings in (Settings(token=f"x{token}x"), Settings(token_file=tmp_path / "token")):
        with pytest.raises(InvalidRequest, match="holds no token") as caught:
            _ = settings.bearer_token
        assert token not in str(caught.value)


def test_a_token_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidRequest, match="not text"):
        _ = Settings(token_file=tmp_path / "token").bearer_token


def test_the_environment_names_only_settings_that_exist() -> None:
    assert all(field.isidentifier() and field.islower() for field in Settings.model_fields)
    assert not set(Settings.model_fields) & {f"{name}_address" for name in SERVICE_NAMES}


def test_archives_are_listed_with_commas_and_an_empty_folder_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CATENA_ARCHIVES", " https://a.org/x , s3://bucket,")
    monkeypatch.setenv("CATENA_DATA", "")
    monkeypatch.setenv("CATENA_MIRROR", str(tmp_path))
    settings = Settings()
    assert settings.archives == ("https://a.org/x", "s3://bucket")
    assert (settings.data, settings.mirror) == (None, tmp_path)
    assert Settings(archives=("gs://b",), data="~/data").data == Path.home() / "data"
