from __future__ import annotations

import pickle
from dataclasses import fields, replace
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest
from sqlalchemy import make_url

from gatewright.server.errors import SettingsError, StartupError
from gatewright.server.settings import PARSERS, PREFIX, Secret, Settings, split_address

SECRET = "a-master-key-that-nobody-may-see"


def faults(environ: dict[str, str] | None = None, file: Path | None = None, **flags: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ or {}, file, **flags)
    return caught.value.faults


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with one setting of each kind."""
    file = tmp_path / "gatewright.toml"
    file.write_text(
        'listen = "127.0.0.1:1003"\nworkers = 3\nallow_insecure_issuer = true\nlog_level = "error"\n'
    )
    return file


def test_everything_has_a_default() -> None:
    settings = Settings.load({})
    assert settings.listen == "localhost:8844"
    assert settings.issuer == "http://localhost:8844/"
    assert settings.data == Path(".gatewright")
    assert settings.database == f"sqlite:///{Path.cwd()}/.gatewright/gatewright.db"
    assert (settings.workers, settings.log_level, settings.log_format) == (1, "info", "auto")
    assert (settings.master_key, settings.allow_insecure_issuer) == (None, False)


def test_each_setting_has_a_parser_and_each_parser_a_setting() -> None:
    assert {field.name for field in fields(Settings)} == set(PARSERS)


def test_a_flag_stands_over_the_environment_over_the_file_over_the_default(file: Path) -> None:
    environ = {PREFIX + "WORKERS": "2", PREFIX + "LISTEN": "127.0.0.1:1002"}
    settings = Settings.load(environ, file, listen="127.0.0.1:1001")
    assert settings.listen == "127.0.0.1:1001"
    assert settings.workers == 2
    assert settings.log_level == "error"
    assert settings.log_format == "auto"


def test_a_flag_that_was_not_given_hides_nothing(file: Path) -> None:
    assert Settings.load({}, file, workers=None, listen=None).workers == 3


def test_every_setting_can_come_from_the_environment() -> None:
    given = {
        "listen": "127.0.0.1:9000",
        "issuer": "https://127.0.0.1:9001/",
        "data": "/srv/gatewright",
        "database": "sqlite:////srv/other.db",
        "master_key": SECRET,
        "workers": "4",
        "tls": "local",
        "trusted_proxies": "10.0.0.0/8",
        "relay_networks": "172.16.0.0/12, ::1",
        "allow_insecure_issuer": "yes",
        "log_level": "debug",
        "log_format": "json",
    }
    settings = Settings.load({PREFIX + name.upper(): value for name, value in given.items()})
    assert settings == Settings(
        listen="127.0.0.1:9000",
        issuer="https://127.0.0.1:9001/",
        data=Path("/srv/gatewright"),
        database="sqlite:////srv/other.db",
        master_key=Secret(SECRET),
        workers=4,
        tls="local",
        trusted_proxies=(IPv4Network("10.0.0.0/8"),),
        relay_networks=(IPv4Network("172.16.0.0/12"), IPv6Network("::1/128")),
        allow_insecure_issuer=True,
        log_level="debug",
        log_format="json",
    )


def test_a_seed_is_a_file_that_is_there(file: Path) -> None:
    assert Settings.load({PREFIX + "SEED": str(file)}).seed == file
    assert Settings.load({}, seed=file).seed == file
    missing = file.with_name("nowhere.yaml")
    assert faults({PREFIX + "SEED": str(missing)}) == [f"seed: {missing} is no file"]


def test_other_programs_variables_are_none_of_ours() -> None:
    settings = Settings.load({"GATEWRIGHT_ISSUER": "https://another.example/", "LISTEN": "x", "WORKERS": "y"})
    assert settings == Settings.load({})


def test_an_unknown_variable_under_the_prefix_is_a_fault_that_names_the_known_ones() -> None:
    found = faults({PREFIX + "MASTERKEY": SECRET})
    assert len(found) == 1
    assert "GATEWRIGHT_SERVER_MASTERKEY is no setting" in found[0]
    assert "master_key" in found[0]
    assert SECRET not in found[0]


def test_an_unknown_name_in_the_file_is_a_fault(file: Path) -> None:
    file.write_text("worker = 2\n[server]\nlocal = true\nworkers = 2\n")
    assert faults(file=file) == [f"worker in {file} is no setting", f"server in {file} is no setting"]


@pytest.mark.parametrize("content", [b"workers = = 2", b"\xff\xfe", b"workers = 1\nworkers = 2"])
def test_a_file_that_is_no_toml_is_a_fault(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    [fault] = faults(file=file)
    assert fault.startswith(f"{file} cannot be read: ")


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    [fault] = faults(file=tmp_path / "absent.toml")
    assert "absent.toml cannot be read" in fault


def test_every_fault_is_told_at_once(file: Path) -> None:
    file.write_text('log_level = "loud"\nlog_form = "text"\n')
    environ = {PREFIX + "WORKERS": "none", PREFIX + "NOBODY": "1", PREFIX + "ISSUER": "http://auth.example/"}
    found = faults(environ, file, listen="nowhere", database="mysql://host/name")
    assert [fault.split(":")[0].split(" ")[0] for fault in sorted(found)] == [
        "GATEWRIGHT_SERVER_NOBODY",
        "database",
        "issuer",
        "listen",
        "log_form",
        "log_level",
        "workers",
    ]


def test_a_missing_issuer_is_told_together_with_other_faults() -> None:
    assert len(faults(listen="0.0.0.0:8844", workers=0)) == 2


def test_one_wrong_setting_is_one_fault() -> None:
    assert len(faults(listen="0.0.0.0:8844", issuer="https://auth.example")) == 1
    assert len(faults(listen="nowhere")) == 1


def test_the_faults_are_what_the_error_says() -> None:
    with pytest.raises(StartupError) as caught:
        Settings.load({}, workers=0, log_level="loud")
    assert str(caught.value) == (
        "The settings are not usable:\n"
        "  - workers: a number from 1 to 64 is wanted, not 0\n"
        "  - log_level: one of debug, info, warning, error is wanted, not 'loud'"
    )


@pytest.mark.parametrize(
    ("listen", "issuer"),
    [
        ("localhost:9000", "http://localhost:9000/"),
        ("127.0.0.1:9000", "http://127.0.0.1:9000/"),
        ("[::1]:9000", "http://[::1]:9000/"),
        ("::1:9000", "http://[::1]:9000/"),
    ],
)
def test_on_loopback_the_issuer_follows_from_the_address(listen: str, issuer: str) -> None:
    assert Settings.load({}, listen=listen).issuer == issuer


@pytest.mark.parametrize("listen", ["0.0.0.0:8844", "[::]:8844", "192.168.0.2:8844", "auth.example:443"])
def test_elsewhere_the_issuer_has_to_be_said(listen: str) -> None:
    [fault] = faults(listen=listen)
    assert fault.startswith("issuer: listening on ")
    assert "--issuer" in fault
    assert Settings.load({}, listen=listen, issuer="https://auth.example/").issuer == "https://auth.example/"


def test_an_issuer_without_its_slash_is_refused_with_the_right_one() -> None:
    assert faults(issuer="https://auth.example") == [
        "issuer: the issuer ends with '/': write https://auth.example/"
    ]


@pytest.mark.parametrize(
    "issuer", ["https://auth.example/tenant/", "https://auth.example:8443/", "https://[::1]/"]
)
def test_a_sound_issuer_is_taken_as_it_is(issuer: str) -> None:
    assert Settings.load({}, issuer=issuer).issuer == issuer


@pytest.mark.parametrize(
    "issuer",
    [
        "auth.example/",
        "ftp://auth.example/",
        "https:///",
        "https://auth.example/?tenant=1/",
        "https://auth.example/#/",
        "https://user:password@auth.example/",
        "https://[::1/",
        "https://auth.example:port/",
        "https://auth\n.example/",
        "https://auth.example /",
        "https://münchen.example/",
        "https://auth.example/?",
        "",
    ],
)
def test_an_unsound_issuer_is_a_fault(issuer: str) -> None:
    [fault] = faults(issuer=issuer)
    assert fault.startswith("issuer: ")


def test_an_issuer_in_clear_is_refused_off_loopback_unless_allowed() -> None:
    [fault] = faults(issuer="http://auth.example/")
    assert "tokens and secrets would travel in clear" in fault
    allowed = Settings.load({}, issuer="http://auth.example/", allow_insecure_issuer=True)
    assert allowed.issuer == "http://auth.example/"


@pytest.mark.parametrize("issuer", ["http://localhost:1/", "http://127.0.0.1/", "http://[::1]:8844/"])
def test_an_issuer_in_clear_is_fine_on_loopback(issuer: str) -> None:
    assert Settings.load({}, issuer=issuer).issuer == issuer


WRONG: dict[str, tuple[object, ...]] = {
    "listen": (
        "8844",
        ":8844",
        "localhost",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:\uff18",
        8844,
    ),
    "workers": ("0", "65", "two", "1.5", "", 0, 65, 1.5, True, [1]),
    "allow_insecure_issuer": ("maybe", "", 1, 2),
    "log_level": ("loud", "INFO", ""),
    "log_format": ("xml", []),
    "data": ("", 1),
    "database": (
        "",
        "postgresql://host/name",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///store.db?mode=ro",
    ),
    "master_key": ("", 1),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_is_one_plain_fault_of_its_setting(name: str, value: object) -> None:
    [fault] = faults({}, None, **{name: value})
    assert fault.startswith(f"{name}: ")
    assert "invalid literal" not in fault


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("TRUE", True), ("yes", True), ("no", False), ("0", False)]
)
def test_a_switch_is_read_as_people_write_it(text: str, value: bool) -> None:  # noqa: FBT001 - what is expected
    assert Settings.load({PREFIX + "ALLOW_INSECURE_ISSUER": text}).allow_insecure_issuer is value


def test_an_unknown_flag_is_a_programmers_mistake() -> None:
    with pytest.raises(TypeError, match="nobody"):
        Settings.load({}, nobody=1)


@pytest.mark.parametrize(
    "folder", ["with space", "50%", "a%20b", "what?mode=ro", "#1", "ünïcode", "back\\slash"]
)
def test_the_database_lies_in_the_data_folder_whatever_its_name(tmp_path: Path, folder: str) -> None:
    settings = Settings.load({}, data=tmp_path / folder)
    url = make_url(settings.database)
    assert (url.database, dict(url.query)) == (str(tmp_path / folder / "gatewright.db"), {})


def test_what_follows_from_the_settings() -> None:
    settings = Settings.load({}, listen="[::1]:9000", issuer="https://my-tenant.auth.example/")
    assert settings.address == ("::1", 9000)
    assert settings.management_audience == "https://my-tenant.auth.example/api/v2/"
    assert settings.tenant == "my-tenant"
    assert Settings.load({}).tenant == "localhost"


def test_an_address_is_host_and_port() -> None:
    assert split_address("localhost:8844") == ("localhost", 8844)
    assert split_address("[::1]:1") == ("::1", 1)
    with pytest.raises(ValueError, match="'8844' is not HOST:PORT"):
        split_address("8844")


def test_a_secret_never_prints_itself() -> None:
    secret = Secret(SECRET)
    settings = replace(Settings.load({}), master_key=secret)
    for text in (
        str(secret),
        repr(secret),
        f"{secret}",
        "%s %r" % (secret, secret),  # noqa: UP031 - as the standard library's loggers do it
        f"{secret!s}",
        repr([secret]),
    ):
        assert SECRET not in text
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)
    with pytest.raises(TypeError):
        f"{secret:>40}"
    assert secret.reveal() == SECRET


def test_secrets_are_equal_when_their_texts_are() -> None:
    assert Secret("one") == Secret("one")
    assert Secret("one") != Secret("two")
    assert Secret("one") != "one"
    assert len({Secret("one"), Secret("one")}) == 1


def test_settings_travel_to_worker_processes_whole() -> None:
    settings = Settings.load({}, master_key=SECRET, workers=2)
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - our own, as multiprocessing does


# TLS and proxies


@pytest.fixture
def pair(tmp_path: Path) -> str:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("")
    return f"{tmp_path / 'cert.pem'},{tmp_path / 'key.pem'}"


def test_with_tls_the_local_issuer_is_https(pair: str) -> None:
    assert Settings.load({}, tls="local").issuer == "https://localhost:8844/"
    assert Settings.load({}, tls=pair, listen="[::1]:9").issuer == "https://[::1]:9/"
    assert Settings.load({}, tls="").issuer == "http://localhost:8844/"


def test_files_of_ones_own_are_named_as_a_pair(pair: str) -> None:
    assert Settings.load({}, tls=pair).certificate_files == tuple(Path(name) for name in pair.split(","))
    assert Settings.load({}, tls="local").certificate_files is None
    for wrong in ("cert.pem", "a,b,c", ",key.pem", "LOCAL", "/nowhere/cert.pem,/nowhere/key.pem"):
        assert faults(tls=wrong), wrong


def test_a_local_certificate_is_for_localhost_alone() -> None:
    [fault] = faults(tls="local", listen="0.0.0.0:443", issuer="https://auth.example.com/")
    assert "--tls CERT,KEY" in fault
    [fault] = faults(tls="local", issuer="http://localhost:8844/")
    assert "is http" in fault


def test_console_may_call_loopback_while_the_issuer_is_there_and_nothing_else_unless_it_is_named() -> None:
    local = Settings.load({})
    assert [str(network) for network in local.relay_networks] == ["127.0.0.0/8", "::1/128"]
    public = {PREFIX + "LISTEN": "0.0.0.0:443", PREFIX + "ISSUER": "https://auth.example.com/"}
    assert Settings.load(public).relay_networks == ()
    named = Settings.load({**public, PREFIX + "RELAY_NETWORKS": "172.16.0.0/12"})
    assert [str(network) for network in named.relay_networks] == ["172.16.0.0/12"]
    assert Settings.load({PREFIX + "RELAY_NETWORKS": ""}).relay_networks == ()


def test_trusted_proxies_are_addresses_and_networks() -> None:
    settings = Settings.load({PREFIX + "TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1 ::1"})
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "192.0.2.1/32", "::1/128"]
    for wrong in ("proxy.example", "10.0.0.1/8", "*", 7):
        assert faults(trusted_proxies=wrong), wrong
