"""`/api/v2/clients/{id}/credentials`: the keys and certificates of clients (auth0-wire 3.7)."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gatewright.jose import JWK
from gatewright.server.events import iso_time
from tests.records import NOW
from tests.server.assertions import certificate, new_key, private_pem, public_pem
from tests.server.inventing import invented, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptography.hazmat.primitives.asymmetric import rsa

    from tests.records import Clock
    from tests.running import Caller
    from tests.server.calling import Limited

METHODS = "client_authentication_methods"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return new_key()


@pytest.fixture(scope="module")
def pem(key: rsa.RSAPrivateKey) -> str:
    return public_pem(key)


@pytest.fixture
def client(caller: Caller) -> str:
    """The address of a new client."""
    return f"clients/{caller.application('Keyed').client_id}"


@pytest.fixture
def path(client: str) -> str:
    return f"{client}/credentials"


def test_public_key_is_registered_as_recorded(caller: Caller, path: str, pem: str) -> None:
    sent = {
        "credential_type": "public_key",
        "name": "k1",
        "pem": pem,
        "expires_at": "2033-05-13T09:33:13.000Z",
    }

    made = caller.create(path, **sent)

    assert list(made.items()) == [
        ("id", made["id"]),
        ("credential_type", "public_key"),
        ("kid", JWK.from_pem(pem).thumbprint()),
        ("alg", "RS256"),
        ("name", "k1"),
        ("created_at", iso_time(NOW)),
        ("updated_at", iso_time(NOW)),
        ("expires_at", "2033-05-13T09:33:13.000Z"),
    ]
    assert re.fullmatch("cred_[A-Za-z0-9]{22}", made["id"])
    assert caller.manage("GET", f"{path}/{made['id']}").json() == made


def test_what_nobody_set_is_absent(caller: Caller, path: str, pem: str) -> None:
    made = caller.create(path, credential_type="public_key", pem=pem)

    assert made.keys() == {"id", "credential_type", "kid", "alg", "created_at", "updated_at"}


@pytest.mark.parametrize("alg", ["RS256", "RS384", "PS256"])
@pytest.mark.parametrize("kid", ["0123456789", "a-b_" * 16])
def test_algorithm_and_kid_can_be_chosen(caller: Caller, path: str, pem: str, alg: str, kid: str) -> None:
    made = caller.create(path, credential_type="public_key", pem=pem, alg=alg, kid=kid)

    assert (made["alg"], made["kid"]) == (alg, kid)


def test_the_same_key_has_the_same_kid_however_it_is_written(
    caller: Caller, path: str, key: rsa.RSAPrivateKey, pem: str
) -> None:
    texts = [pem, pem.replace("\n", "\r\n"), certificate(key, ends=NOW + 60)]

    kids = {caller.create(path, credential_type="public_key", pem=text)["kid"] for text in texts}

    assert len(kids) == 1


def test_end_is_read_from_a_certificate_on_demand_and_a_given_one_wins(
    caller: Caller, path: str, key: rsa.RSAPrivateKey
) -> None:
    sent = {"credential_type": "public_key", "pem": certificate(key, ends=NOW + 1000)}

    assert "expires_at" not in caller.create(path, **sent)
    assert "expires_at" not in caller.create(path, **sent, parse_expiry_from_cert=False)
    parsed = caller.create(path, **sent, parse_expiry_from_cert=True)
    given = caller.create(path, **sent, parse_expiry_from_cert=True, expires_at="2100-01-01T00:00:00Z")
    assert parsed["expires_at"] == iso_time(NOW + 1000)
    assert given["expires_at"] == "2100-01-01T00:00:00.000Z"


def test_certificate_is_kept_by_its_thumbprint(caller: Caller, path: str, key: rsa.RSAPrivateKey) -> None:
    text = certificate(key, ends=NOW + 1000)
    der = x509.load_pem_x509_certificate(text.encode()).public_bytes(Encoding.DER)

    made = caller.create(path, credential_type="x509_cert", pem=text, name="c")

    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
    assert made["thumbprint_sha256"] == thumbprint
    assert made["expires_at"] == iso_time(NOW + 1000)
    assert made["subject_dn"] == "CN=client.example"
    assert not {"kid", "alg", "pem", "jwk"} & made.keys()


def test_subject_is_given_or_read_from_a_certificate(
    caller: Caller, path: str, key: rsa.RSAPrivateKey
) -> None:
    text = certificate(key, ends=NOW + 1000, name="other.example")

    given = caller.create(path, credential_type="cert_subject_dn", subject_dn="CN=x,O=y")
    found = caller.create(path, credential_type="cert_subject_dn", pem=text)

    assert given["subject_dn"] == "CN=x,O=y"
    assert found["subject_dn"] == "CN=other.example"
    assert "expires_at" not in found


EC_KEY = public_pem(ec.generate_private_key(ec.SECP256R1()))
RSA_KEY = new_key()
SOUND = {"credential_type": "public_key", "pem": public_pem(RSA_KEY)}
CERTIFICATE = certificate(RSA_KEY, ends=NOW + 1000)
READ_ONLY = ("id", "created_at", "updated_at", "thumbprint_sha256", "client_id", "jwk")

FAULTS: list[tuple[dict[str, Any], str, str]] = [
    *(({**SOUND, name: "x"}, f"Additional properties not allowed: {name}", "") for name in READ_ONLY),
    ({"pem": SOUND["pem"]}, "Missing required property: credential_type", ""),
    ({**SOUND, "credential_type": "secret"}, "No enum match for: 'secret'", "credential_type"),
    ({"credential_type": "public_key"}, "Missing required property: pem", ""),
    ({**SOUND, "name": "n" * 129}, "String is too long, maximum 128", "name"),
    ({**SOUND, "alg": "RS512"}, "No enum match for: 'RS512'", "alg"),
    ({**SOUND, "alg": "ES256"}, "No enum match for: 'ES256'", "alg"),
    ({**SOUND, "alg": "HS256"}, "No enum match for: 'HS256'", "alg"),
    *(
        ({**SOUND, "kid": kid}, r"String does not match pattern ^[0-9a-zA-Z_-]{10,64}\\Z", "kid")
        for kid in ("012345678", "k" * 65, "0123456789\n", "0123456789.")
    ),
    ({**SOUND, "pem": ""}, "String is too short, minimum 1", "pem"),
    (
        {**SOUND, "pem": private_pem(RSA_KEY)},
        "A private key: keep it to yourself and send its public half",
        "pem",
    ),
    (
        {**SOUND, "pem": private_pem(RSA_KEY) + SOUND["pem"]},
        "Not a usable key: the PEM text holds 2 keys and certificates, not one",
        "pem",
    ),
    (
        {"credential_type": "x509_cert", "pem": private_pem(RSA_KEY)},
        "A private key: keep it to yourself and send its public half",
        "pem",
    ),
    (
        {**SOUND, "pem": EC_KEY},
        "Not a usable key: alg is unknown or does not fit the key's type, curve or length",
        "pem",
    ),
    (
        {**SOUND, "pem": public_pem(new_key(1024))},
        "Not a usable key: the RSA modulus has 1024 bits, not 2048 to 8192",
        "pem",
    ),
    (
        {**SOUND, "pem": "x"},
        "Not a usable key: the PEM text holds 0 keys and certificates, not one",
        "pem",
    ),
    *(
        (
            {**SOUND, "expires_at": text},
            f"Object didn't pass validation for format date-time: {text}",
            "expires_at",
        )
        for text in (
            *("tomorrow", "2100-01-01", "2100-01-01T00:00:00", "2100-13-01T00:00:00Z", "4102444800"),
            *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"),
        )
    ),
    ({**SOUND, "expires_at": None}, "Expected type string but found type null", "expires_at"),
    ({**SOUND, "expires_at": iso_time(NOW)}, "The credential has expired already", "expires_at"),
    (
        {**SOUND, "pem": certificate(RSA_KEY, ends=NOW - 1), "parse_expiry_from_cert": True},
        "The credential has expired already",
        "expires_at",
    ),
    (
        {**SOUND, "parse_expiry_from_cert": True},
        "Only a certificate says when it ends",
        "parse_expiry_from_cert",
    ),
    ({**SOUND, "subject_dn": "CN=x"}, "A credential of the type public_key has no subject_dn", "subject_dn"),
    ({"credential_type": "x509_cert"}, "Missing required property: pem", ""),
    ({"credential_type": "x509_cert", "pem": SOUND["pem"]}, "A certificate is needed", "pem"),
    (
        {"credential_type": "x509_cert", "pem": CERTIFICATE, "kid": "0123456789"},
        "A credential of the type x509_cert has no kid",
        "kid",
    ),
    (
        {"credential_type": "x509_cert", "pem": certificate(RSA_KEY, ends=NOW - 1)},
        "The credential has expired already",
        "expires_at",
    ),
    ({"credential_type": "cert_subject_dn"}, "Exactly one of pem and subject_dn is needed", "subject_dn"),
    (
        {"credential_type": "cert_subject_dn", "subject_dn": "CN=x", "pem": CERTIFICATE},
        "Exactly one of pem and subject_dn is needed",
        "subject_dn",
    ),
]


@pytest.mark.parametrize(
    ("body", "detail", "prop"), FAULTS, ids=[f"{number}-{row[1][:40]}" for number, row in enumerate(FAULTS)]
)
def test_fault_is_refused(
    caller: Caller,
    refused: Callable[..., None],
    path: str,
    body: Mapping[str, object],
    detail: str,
    prop: str,
) -> None:
    answer = caller.manage("POST", path, json=body)

    where = f" on property {prop}" if prop else ""
    refused(answer, 400, f"Payload validation error: '{detail}'{where}.", "invalid_body")
    assert caller.manage("GET", path).json() == []


CREDENTIAL_MEMBERS = st.fixed_dictionaries(
    {"credential_type": st.sampled_from(["public_key", "x509_cert", "cert_subject_dn"])},
    optional={
        "name": texts,
        "pem": st.sampled_from([SOUND["pem"], CERTIFICATE, EC_KEY, SOUND["pem"][:200]]) | texts,
        "subject_dn": texts,
        "alg": st.sampled_from(["RS256", "PS256", "none"]),
        "kid": texts | st.sampled_from(["0123456789"]),
        "parse_expiry_from_cert": st.booleans(),
        "expires_at": st.datetimes(timezones=st.timezones()).map(datetime.isoformat) | texts,
    },
)


@invented
@given(body=CREDENTIAL_MEMBERS)
def test_any_credential_is_made_or_refused_and_can_be_read(
    caller: Caller, client: str, body: dict[str, Any]
) -> None:
    path = f"{client}/credentials"

    made = caller.manage("POST", path, json=body)

    assert made.status_code in {201, 400}, made.text
    if made.status_code == 201:
        own = f"{path}/{made.json()['id']}"
        assert caller.manage("GET", own).json() == made.json()
        changed = caller.manage("PATCH", own, json={"expires_at": body.get("expires_at", "x")})
        assert changed.status_code in {200, 400}, changed.text
        assert caller.manage("DELETE", own).status_code == 204
    assert caller.manage("GET", path).json() == []


def test_certificate_that_names_nobody_gives_no_subject(
    caller: Caller, refused: Callable[..., None], path: str
) -> None:
    body = {"credential_type": "cert_subject_dn", "pem": certificate(RSA_KEY, ends=NOW + 1000, name="")}

    answer = caller.manage("POST", path, json=body)

    text = "Payload validation error: 'The certificate names no subject' on property pem."
    refused(answer, 400, text, "invalid_body")


def test_private_key_that_was_sent_is_neither_kept_nor_repeated(caller: Caller, path: str) -> None:
    text = private_pem(RSA_KEY)

    answer = caller.manage("POST", path, json={**SOUND, "pem": text})

    assert text.splitlines()[3] not in answer.text


def test_list_is_a_bare_array_newest_first_whatever_paging_is_asked_for(
    caller: Caller, path: str, pem: str
) -> None:
    made = [caller.create(path, credential_type="public_key", pem=pem, name=str(n))["id"] for n in range(3)]

    for params in ({}, {"include_totals": "true", "per_page": "1"}, {"take": "1"}):
        found = caller.manage("GET", path, params=params).json()
        assert [credential["id"] for credential in found] == made[::-1]


def test_only_the_end_can_be_changed(
    caller: Caller, refused: Callable[..., None], path: str, pem: str, moving_clock: Clock
) -> None:
    made = caller.create(path, credential_type="public_key", pem=pem)
    moving_clock.now += 60

    changed = caller.update(f"{path}/{made['id']}", expires_at="2099-01-01T01:00:00+01:00")

    end = {"expires_at": "2099-01-01T00:00:00.000Z", "updated_at": iso_time(NOW + 60)}
    assert changed == {**made, **end}
    assert caller.manage("GET", f"{path}/{made['id']}").json() == changed
    assert caller.update(f"{path}/{made['id']}") == changed
    for name in ("id", "credential_type", "name", "pem", "alg", "kid", "created_at", "updated_at"):
        answer = caller.manage("PATCH", f"{path}/{made['id']}", json={name: "x"})
        text = f"Payload validation error: 'Additional properties not allowed: {name}'."
        refused(answer, 400, text, "invalid_body")


def test_credentials_of_another_client_are_out_of_reach(
    caller: Caller, refused: Callable[..., None], path: str, pem: str
) -> None:
    other = f"clients/{caller.application('Other').client_id}/credentials"
    made = caller.create(path, credential_type="public_key", pem=pem)

    for method, body in (("GET", None), ("PATCH", {"expires_at": "2099-01-01T00:00:00Z"})):
        answer = caller.manage(method, f"{other}/{made['id']}", json=body)
        refused(answer, 404, "The credential does not exist", "inexistent_credential")
    assert caller.manage("DELETE", f"{other}/{made['id']}").status_code == 204
    assert caller.manage("GET", other).json() == []
    assert caller.manage("GET", path).json() == [made]


def test_what_does_not_exist_is_not_found(
    caller: Caller, refused: Callable[..., None], path: str, pem: str
) -> None:
    body = {"credential_type": "public_key", "pem": pem}
    for method, address in (("GET", ""), ("POST", ""), ("GET", "/cred_x"), ("PATCH", "/cred_x")):
        sent = body if method == "POST" else {}
        answer = caller.manage(method, f"clients/nothing/credentials{address}", json=sent)
        refused(answer, 404, "The client does not exist", "inexistent_client")
    refused(
        caller.manage("GET", f"{path}/cred_x"), 404, "The credential does not exist", "inexistent_credential"
    )
    assert caller.manage("DELETE", f"{path}/cred_x").status_code == 204
    assert caller.manage("DELETE", "clients/nothing/credentials/cred_x").status_code == 204


def test_number_of_credentials_is_bounded(
    caller: Caller, refused: Callable[..., None], path: str, pem: str
) -> None:
    for _ in range(20):
        caller.create(path, credential_type="public_key", pem=pem)

    answer = caller.manage("POST", path, json={"credential_type": "public_key", "pem": pem})

    text = "You reached the limit of entities of this type for this client."
    refused(answer, 403, text, "too_many_entities")


def referring(*ids: str, method: str = "private_key_jwt") -> dict[str, Any]:
    return {method: {"credentials": [{"id": id_} for id_ in ids]}}


@pytest.mark.parametrize(
    ("sent", "method"),
    [
        ({"credential_type": "public_key", "pem": SOUND["pem"]}, "private_key_jwt"),
        ({"credential_type": "x509_cert", "pem": CERTIFICATE}, "self_signed_tls_client_auth"),
        ({"credential_type": "cert_subject_dn", "subject_dn": "CN=x"}, "tls_client_auth"),
    ],
)
def test_each_method_refers_to_credentials_of_its_type_only(
    caller: Caller, client: str, path: str, sent: Mapping[str, Any], method: str
) -> None:
    credential = caller.create(path, **sent)
    body = {"token_endpoint_auth_method": None}

    for other in ("private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"):
        methods = referring(credential["id"], method=other)
        answer = caller.manage("PATCH", client, json={**body, METHODS: methods})
        assert answer.status_code == (200 if other == method else 400), answer.text
    shown = caller.manage("GET", client).json()
    assert shown[METHODS] == referring(credential["id"], method=method)
    assert "client_secret" not in shown


@pytest.mark.parametrize(
    ("methods", "detail"),
    [
        ({}, "Exactly one method is needed"),
        (
            {**referring(), **referring(method="tls_client_auth")},
            "Exactly one method is needed",
        ),
        ({"other": {"credentials": []}}, "Additional properties not allowed: other"),
        ({"private_key_jwt": {}}, "Missing required property: credentials"),
        (referring("cred_x"), "The client has no credential cred_x"),
        (referring("a", "b", "c"), "Array is too long, maximum 2"),
        (
            {"private_key_jwt": {"credentials": [{"id": "a", "pem": "x"}]}},
            "Additional properties not allowed: pem",
        ),
        ({"private_key_jwt": {"credentials": ["cred_x"]}}, "Expected type object but found type string"),
    ],
)
def test_methods_that_cannot_be_are_refused(
    caller: Caller, client: str, methods: Mapping[str, object], detail: str
) -> None:
    answer = caller.manage("PATCH", client, json={METHODS: methods})

    assert answer.status_code == 400, answer.text
    assert answer.json()["message"].startswith(f"Payload validation error: '{detail}' on property {METHODS}")


def test_credential_of_another_client_and_one_named_twice_cannot_be_referred_to(
    caller: Caller, client: str, path: str, pem: str
) -> None:
    own = caller.create(path, credential_type="public_key", pem=pem)["id"]
    other = f"clients/{caller.application('Other').client_id}"

    stolen = caller.manage("PATCH", other, json={METHODS: referring(own)})
    twice = caller.manage("PATCH", client, json={METHODS: referring(own, own)})

    assert stolen.status_code == twice.status_code == 400
    assert f"The client has no credential {own}" in stolen.json()["message"]
    assert "Array items are not unique (indexes 0 and 1)" in twice.json()["message"]
    assert METHODS not in caller.manage("GET", other).json()


def test_keys_need_the_signing_algorithm_that_auth0_asks_for(caller: Caller, client: str) -> None:
    body = {METHODS: referring(), "jwt_configuration": {"alg": "HS256"}}

    answer = caller.manage("PATCH", client, json=body)

    assert answer.status_code == 400
    assert "client_authentication_methods needs jwt_configuration.alg RS256" in answer.text


def test_a_new_client_may_bring_its_keys_along(caller: Caller) -> None:
    keys = [{**SOUND, "name": "a"}, {**SOUND, "name": "b", "alg": "PS256"}]

    made = caller.create(
        "clients", name="x", client_authentication_methods={"private_key_jwt": {"credentials": keys}}
    )

    path = f"clients/{made['client_id']}/credentials"
    found = caller.manage("GET", path).json()
    assert [(each["name"], each["alg"]) for each in found] == [("b", "PS256"), ("a", "RS256")]
    assert made[METHODS] == referring(found[1]["id"], found[0]["id"])
    assert "client_secret" not in made


@pytest.mark.parametrize(
    ("method", "credential", "detail"),
    [
        ("private_key_jwt", {"id": "cred_x"}, "Additional properties not allowed: id"),
        ("private_key_jwt", {**SOUND, "pem": private_pem(RSA_KEY)}, "A private key"),
        ("tls_client_auth", SOUND, "tls_client_auth needs credentials of the type cert_subject_dn"),
    ],
)
def test_a_new_client_with_a_faulty_key_is_not_made_at_all(
    caller: Caller, method: str, credential: Mapping[str, object], detail: str
) -> None:
    def count() -> int:
        total: int = caller.manage("GET", "clients", params={"include_totals": "true"}).json()["total"]
        return total

    before = count()
    body = {"name": "x", METHODS: {method: {"credentials": [credential]}}}

    answer = caller.manage("POST", "clients", json=body)

    assert answer.status_code == 400
    assert detail in answer.json()["message"]
    assert count() == before


def test_deleted_credential_leaves_its_clients_methods_too(
    caller: Caller, client: str, path: str, pem: str
) -> None:
    first, second = (caller.create(path, credential_type="public_key", pem=pem)["id"] for _ in range(2))
    caller.update(client, client_authentication_methods=referring(first, second))

    assert caller.manage("DELETE", f"{path}/{first}").status_code == 204
    assert caller.manage("GET", client).json()[METHODS] == referring(second)
    assert caller.manage("DELETE", f"{path}/{second}").status_code == 204
    shown = caller.manage("GET", client).json()
    assert shown[METHODS] == referring()
    assert "client_secret" not in shown


def test_deleting_a_client_takes_its_credentials_along(
    caller: Caller, client: str, path: str, pem: str
) -> None:
    caller.create(path, credential_type="public_key", pem=pem)

    assert caller.manage("DELETE", client).status_code == 204
    assert caller.manage("GET", path).status_code == 404


def test_credentials_are_shown_to_who_may_read_them(holding: Callable[[str], Limited], path: str) -> None:
    assert holding("read:clients read:client_keys")("GET", path).status_code == 403
    assert holding("read:client_credentials")("GET", path).json() == []


def test_each_change_leaves_an_event(
    caller: Caller, events_of: Callable[..., list[dict[str, Any]]], path: str, pem: str
) -> None:
    made = caller.manage("POST", path, json={"credential_type": "public_key", "pem": pem})
    own = f"{path}/{made.json()['id']}"
    changed = caller.manage("PATCH", own, json={"expires_at": "2099-01-01T00:00:00Z"})
    gone = caller.manage("DELETE", own)

    told = [event for answer in (made, changed, gone) for event in events_of(answer)]
    assert [event["type"] for event in told] == ["sapi"] * 3
    assert [event["description"].split()[0] for event in told] == ["Create", "Update", "Delete"]
