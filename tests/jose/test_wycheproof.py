"""The JOSE vectors of C2SP/wycheproof: every JWS case as labelled, but for eight known label defects.

The vectors are read in place; `GATEWRIGHT_WYCHEPROOF` names their folder.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gatewright.jose import ALGORITHMS, JWK, JWKS, JoseError, MalformedToken, jws

PROJECT = Path(__file__).resolve().parents[2]
VECTORS = Path(os.environ.get("GATEWRIGHT_WYCHEPROOF") or PROJECT.parent / "shared" / "data" / "wycheproof")

if not VECTORS.is_dir() and not os.environ.get("CI"):
    pytest.skip(
        f"no Wycheproof vectors at {VECTORS}: set GATEWRIGHT_WYCHEPROOF to their folder",
        allow_module_level=True,
    )

SIGNATURES = "json_web_signature_test"
KEYS = "json_web_key_test"
CRYPTO = "json_web_crypto_test"
ENCRYPTION = "json_web_encryption_test"

ALL_ALGORITHMS = tuple(ALGORITHMS)

# Cases of json_web_signature_test whose label is wrong, each with what is right instead.
LABEL_DEFECTS = {
    346: "labelled valid: RFC 7520 figure 20 is PS384, but the key given with it says alg PS256",
    350: "labelled valid: as 346, the key with key_ops",
    347: "labelled valid: RFC 7520 figure 27 is ES512, but the key's alg is ES521, which does not exist",
    351: "labelled valid: as 347, the key with key_ops",
    372: "labelled valid: there is a ? in the token, which is no letter of base64url",
    373: "labelled valid: as 372",
    367: "labelled invalid: byte for byte the valid case 357",
    370: "labelled invalid: byte for byte the valid case 357",
}


@dataclass(frozen=True, slots=True)
class Case:
    file: str
    number: int
    token: str
    valid: bool
    key: Mapping[str, Any]
    comment: str


def _cases(file: str, member: str) -> Iterator[Case]:
    document = json.loads((VECTORS / f"{file}.json").read_bytes())
    for group in document["testGroups"]:
        key = group.get("public") or group["private"]
        for test in group["tests"]:
            if member in test:
                # One token is given as an object: the JSON serialisation.
                token = test[member] if isinstance(test[member], str) else json.dumps(test[member])
                assert test["result"] in ("valid", "invalid")
                yield Case(file, test["tcId"], token, test["result"] == "valid", key, test["comment"])


JWS_CASES = [case for file in (SIGNATURES, KEYS, CRYPTO) for case in _cases(file, "jws")]
JWE_CASES = [case for file in (CRYPTO, ENCRYPTION) for case in _cases(file, "jwe")]


def _name(case: Case) -> str:
    return f"{case.file}-{case.number}"


def _verify(case: Case) -> None:
    parsed = jws.parse(case.token)
    if "keys" in case.key:
        key = JWKS.parse(case.key).select(kid=parsed.kid, alg=parsed.alg)
    else:
        key = JWK.parse(case.key)
    jws.verify(parsed, key, algorithms=ALL_ALGORITHMS)


def _accepts(case: Case) -> bool:
    try:
        _verify(case)
    except JoseError:
        return False
    return True


def _has_wrong_label(case: Case) -> bool:
    return case.file == SIGNATURES and case.number in LABEL_DEFECTS


@pytest.mark.parametrize("case", JWS_CASES, ids=_name)
def test_signature_is_judged_as_labelled_or_the_label_is_a_known_defect(case: Case) -> None:
    assert _accepts(case) == (case.valid != _has_wrong_label(case)), case.comment


@pytest.mark.parametrize("case", JWE_CASES, ids=_name)
def test_encrypted_token_is_refused_as_no_signed_token(case: Case) -> None:
    with pytest.raises(MalformedToken):
        jws.parse(case.token)
    assert not _accepts(case)


def test_of_401_signature_cases_393_are_judged_as_labelled_and_the_rest_is_known() -> None:
    cases = [case for case in JWS_CASES if case.file == SIGNATURES]
    differing = {case.number for case in cases if _accepts(case) != case.valid}
    false_accepts = {case.number for case in cases if _accepts(case) and not case.valid}
    assert (len(cases), len(cases) - len(differing)) == (401, 393)
    assert differing == set(LABEL_DEFECTS)
    assert false_accepts == {367, 370}


def test_the_two_false_accepts_equal_a_valid_case() -> None:
    tokens = {case.number: case.token for case in JWS_CASES if case.file == SIGNATURES}
    assert tokens[367] == tokens[370] == tokens[357]


def test_every_case_of_the_key_and_crypto_files_is_judged_as_labelled() -> None:
    for file, number in ((KEYS, 26), (CRYPTO, 49)):
        cases = [case for case in JWS_CASES if case.file == file]
        assert len(cases) == number
        assert [case.number for case in cases if _accepts(case) != case.valid] == []


def test_all_vectors_of_the_four_files_are_used() -> None:
    for file in (SIGNATURES, KEYS, CRYPTO, ENCRYPTION):
        total = json.loads((VECTORS / f"{file}.json").read_bytes())["numberOfTests"]
        assert len({(case.file, case.number) for case in JWS_CASES + JWE_CASES if case.file == file}) == total
