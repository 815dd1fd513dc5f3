from __future__ import annotations

import pytest

from gatewright.server.errors import StartupError
from gatewright.server.sealing import Sealer, generate_master_key

PLACE = "clients|sealed_secrets|one"
PLAIN = "ünïcode, and a secret".encode()


@pytest.fixture
def sealer() -> Sealer:
    return Sealer([generate_master_key()])


@pytest.mark.parametrize("plain", [b"", PLAIN, b"\0" * 100_000], ids=["empty", "text", "long"])
def test_what_was_sealed_opens_again(sealer: Sealer, plain: bytes) -> None:
    envelope = sealer.seal(plain, PLACE)
    assert sealer.open(envelope, PLACE) == plain
    assert not plain or plain not in envelope


def test_the_same_text_is_sealed_differently_each_time(sealer: Sealer) -> None:
    envelopes = {sealer.seal(PLAIN, PLACE) for _ in range(100)}
    assert len(envelopes) == 100


def test_an_envelope_opens_at_its_own_place_only(sealer: Sealer) -> None:
    envelope = sealer.seal(PLAIN, PLACE)
    for place in ("clients|sealed_secrets|two", "clients|other|one", "others|sealed_secrets|one", ""):
        with pytest.raises(StartupError, match="damaged or was moved"):
            sealer.open(envelope, place)


def test_a_refusal_names_table_and_column_and_nothing_secret(sealer: Sealer) -> None:
    with pytest.raises(StartupError) as caught:
        sealer.open(sealer.seal(PLAIN, PLACE), "clients|sealed_secrets|two")
    assert str(caught.value) == "A sealed value at clients|sealed_secrets is damaged or was moved."


def test_another_master_key_is_told_in_a_plain_sentence_with_a_way_out(sealer: Sealer) -> None:
    envelope = sealer.seal(PLAIN, PLACE)
    with pytest.raises(StartupError) as caught:
        Sealer([generate_master_key()]).open(envelope, PLACE)
    assert "The master key does not fit this database" in str(caught.value)
    assert "GATEWRIGHT_SERVER_MASTER_KEY" in str(caught.value)


def test_any_changed_bit_is_noticed(sealer: Sealer) -> None:
    envelope = sealer.seal(PLAIN, PLACE)
    for position in range(len(envelope)):
        damaged = bytearray(envelope)
        damaged[position] ^= 1
        with pytest.raises(StartupError):
            sealer.open(bytes(damaged), PLACE)


def test_any_shortened_envelope_is_refused(sealer: Sealer) -> None:
    envelope = sealer.seal(PLAIN, PLACE)
    for length in range(len(envelope)):
        with pytest.raises(StartupError):
            sealer.open(envelope[:length], PLACE)
    with pytest.raises(StartupError):
        sealer.open(envelope + b"\0", PLACE)


def test_several_master_keys_open_and_the_first_one_seals() -> None:
    old, new = generate_master_key(), generate_master_key()
    sealed_before = Sealer([old]).seal(PLAIN, PLACE)
    both = Sealer([new, old])
    assert both.open(sealed_before, PLACE) == PLAIN
    sealed_now = both.seal(PLAIN, PLACE)
    assert Sealer([new]).open(sealed_now, PLACE) == PLAIN
    with pytest.raises(StartupError, match="does not fit"):
        Sealer([old]).open(sealed_now, PLACE)


def test_a_generated_key_is_43_characters_and_new_each_time() -> None:
    keys = {generate_master_key() for _ in range(50)}
    assert len(keys) == 50
    assert {len(key) for key in keys} == {43}
    assert all(Sealer([key]) for key in keys)


def test_a_key_may_stand_with_padding_and_blanks_around_it() -> None:
    key = generate_master_key()
    envelope = Sealer([key]).seal(PLAIN, PLACE)
    for spelled in (f" {key}\n", key + "="):
        assert Sealer([spelled]).open(envelope, PLACE) == PLAIN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        "A" * 42,
        "A" * 44,
        "A" * 86,
        "é" * 43,
        "A" * 42 + "!",
        "A" * 20 + " " + "A" * 23,
        "\0" * 43,
    ],
)
def test_a_text_that_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(StartupError, match=r"32 bytes in base64url \(43 characters\)") as caught:
        Sealer([generate_master_key(), text])
    assert not text or text not in str(caught.value)


def test_without_any_key_there_is_no_sealer() -> None:
    with pytest.raises(StartupError, match="No master key was given"):
        Sealer([])


def test_a_sealer_shows_its_keys_to_nobody() -> None:
    key = generate_master_key()
    assert key not in repr(Sealer([key]))
    assert not hasattr(Sealer([key]), "__dict__")
