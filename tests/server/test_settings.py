# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of `serve`, the .env file and the environment come to."""

from pathlib import Path

import pytest

from backend.command_line.arguments import build_parser
from backend.contract import BadInput
from backend.server.arguments import server_settings
from backend.server.settings import ServerSettings


def settings(*words: str, **named: str) -> ServerSettings:
    return server_settings(build_parser().parse_args(["serve", *words]), "1.0", named)


def test_by_default_this_machine_is_served_with_a_fresh_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MESHWRIGHT_TOKEN", raising=False)
    first, second = settings(), settings()
    assert first.host == "127.0.0.1" and first.port == 8000 and first.ray is None and first.store is None
    assert first.fresh_token and len(first.token) > 40 and first.token != second.token


def test_the_published_servers_names_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_SECRET_KEY", "from the environment")
    read = settings("--token", "x" * 16, HOST="0.0.0.0", PORT="8081", VERSION="3", S3_BUCKET_NAME="b",
                    S3_ADDRESSING_STYLE="virtual", S3_VALIDATE_SSL="False", S3_SECRET_KEY="from the file")
    assert (read.host, read.port, read.version, read.fresh_token) == ("0.0.0.0", 8081, "3", False)
    assert read.store is not None and read.store.addressing == "virtual" and not read.store.verify
    assert read.store.secret_key == "from the environment"
    assert settings("--hostname", "127.0.0.1", "-p", "9", PORT="8081").port == 9


def test_two_devices_make_an_engine_of_two_gpus() -> None:
    read = settings("--ray", "--multi", "--most-engines", "3")
    assert read.worker.second_device == "cuda:1"
    assert read.ray is not None and (read.ray.gpus, read.ray.most, read.ray.fewest) == (2, 3, 0)
    on_cpu = settings("--ray", "auto", "--device", "cpu").ray
    assert on_cpu is not None and (on_cpu.gpus, on_cpu.address) == (0, "auto")


def test_the_token_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abcdefghijklmnop\n")
    assert settings("--token-file", str(tmp_path / "token")).token == "abcdefghijklmnop"
    with pytest.raises(BadInput, match="cannot be read"):
        settings("--token-file", str(tmp_path / "none"))


@pytest.mark.parametrize(("words", "named"), [
    (("--no-token", "--host", "0.0.0.0"), {}), (("--token", "short"), {}), ((), {"PORT": "http"}),
    ((), {"S3_BUCKET_NAME": "b", "S3_ADDRESSING_STYLE": "round"}), (("--tls-cert", "c.pem"), {}),
])
def test_what_cannot_be_served_is_refused(words: tuple[str, ...], named: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        settings(*words, **named)
