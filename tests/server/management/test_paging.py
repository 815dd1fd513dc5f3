"""Lists in Auth0's three shapes: bare, with totals, and by checkpoint (auth0-wire 3.3)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.running import Caller

COUNT = 7
NOUNS = {"resource-servers": "resource_servers", "clients": "clients", "client-grants": "client_grants"}
KEYS = {"resource-servers": "id", "clients": "client_id", "client-grants": "id"}


@pytest.fixture(scope="module", autouse=True)
def _records(caller: Caller) -> None:
    """Seven of each, the ones of the first start included."""
    for number in range(COUNT - 1):
        caller.create("resource-servers", identifier=f"urn:{number}")
        caller.authorize(caller.application(f"A{number}"), f"urn:{number}")


@pytest.fixture(params=NOUNS)
def noun(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def listed(caller: Caller, noun: str, **params: str | int) -> Any:  # noqa: ANN401 - a list or an object
    answer = caller.manage("GET", noun, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_without_parameters_the_list_is_bare_in_order_of_creation(caller: Caller, noun: str) -> None:
    records = listed(caller, noun)

    assert len(records) == COUNT
    names = [record.get("identifier") or record.get("audience") or record.get("name") for record in records]
    numbers = [name.removeprefix("urn:").removeprefix("A") for name in names[1:]]
    assert numbers == [str(number) for number in range(COUNT - 1)]


def test_pages_make_up_the_list(caller: Caller, noun: str) -> None:
    pages = [listed(caller, noun, page=page, per_page=3) for page in range(4)]

    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert [*itertools.chain(*pages)] == listed(caller, noun)


def test_totals_come_in_the_recorded_order(caller: Caller, noun: str) -> None:
    answer = listed(caller, noun, page=1, per_page=3, include_totals="true")

    assert list(answer) == ["total", "start", "limit", NOUNS[noun]]
    assert (answer["total"], answer["start"], answer["limit"]) == (COUNT, 3, 3)
    assert answer[NOUNS[noun]] == listed(caller, noun)[3:6]


def test_totals_may_be_declined(caller: Caller, noun: str) -> None:
    assert listed(caller, noun, include_totals="false") == listed(caller, noun)


def test_totals_count_what_the_filter_leaves(caller: Caller) -> None:
    answer = listed(caller, "client-grants", audience="urn:0", include_totals="true")

    assert (answer["total"], len(answer["client_grants"])) == (1, 1)


@pytest.mark.parametrize("page", [3, 4, 1_000_000])
def test_page_past_the_end_is_empty(caller: Caller, noun: str, page: int) -> None:
    assert listed(caller, noun, page=page, per_page=3) == []
    answer = listed(caller, noun, page=page, per_page=3, include_totals="true")
    assert (answer["total"], answer["start"], answer[NOUNS[noun]]) == (COUNT, page * 3, [])


def test_checkpoints_lead_through_the_list(caller: Caller, noun: str) -> None:
    first = listed(caller, noun, take=3)
    second = listed(caller, noun, take=3, **{"from": first["next"]})
    third = listed(caller, noun, take=3, **{"from": second["next"]})

    assert list(first) == list(second) == [NOUNS[noun], "next"]
    assert list(third) == [NOUNS[noun]]
    records = [*first[NOUNS[noun]], *second[NOUNS[noun]], *third[NOUNS[noun]]]
    assert records == listed(caller, noun)


@pytest.mark.parametrize("take", [COUNT, COUNT + 1, 100])
def test_last_page_has_no_next(caller: Caller, noun: str, take: int) -> None:
    assert list(listed(caller, noun, take=take)) == [NOUNS[noun]]


def test_checkpoint_form_wins_over_totals_and_pages(caller: Caller, noun: str) -> None:
    answer = listed(caller, noun, include_totals="true", per_page=2, page=3, take=5)

    assert list(answer) == [NOUNS[noun], "next"]
    assert len(answer[NOUNS[noun]]) == 5


def test_from_alone_takes_fifty(caller: Caller, noun: str) -> None:
    following = listed(caller, noun, take=1)["next"]

    answer = listed(caller, noun, **{"from": following})

    assert len(answer[NOUNS[noun]]) == COUNT - 1


def test_checkpoint_survives_the_deletion_of_what_it_stood_on(caller: Caller, noun: str) -> None:
    ids = [record[KEYS[noun]] for record in listed(caller, noun)]
    made = caller.create("resource-servers", identifier=f"urn:late:{noun}")
    if noun == "client-grants":
        caller.authorize(caller.operator, made["identifier"])
    if noun == "clients":
        caller.application("Late")
    late = listed(caller, noun)[-1][KEYS[noun]]
    checkpoint = listed(caller, noun, take=len(ids))["next"]

    rest = listed(caller, noun, take=5, **{"from": checkpoint})[NOUNS[noun]]

    assert [record[KEYS[noun]] for record in rest] == [late]
    caller.manage("DELETE", f"{noun}/{late}")
    assert listed(caller, noun, take=5, **{"from": checkpoint}) == {NOUNS[noun]: []}
    caller.manage("DELETE", f"resource-servers/{made['id']}")


def told(detail: str, name: str) -> str:
    return f"Query validation error: '{detail}' on property {name}."


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"per_page": "101"}, told("Value 101 is greater than maximum 100", "per_page")),
        ({"per_page": "-1"}, told("Value -1 is less than minimum 0", "per_page")),
        ({"per_page": "ten"}, told("Expected type integer but found type string", "per_page")),
        ({"per_page": "1.0"}, told("Expected type integer but found type string", "per_page")),
        ({"per_page": ""}, told("Expected type integer but found type string", "per_page")),
        ({"per_page": "1e1"}, told("Expected type integer but found type string", "per_page")),
        ({"per_page": "٣"}, told("Expected type integer but found type string", "per_page")),
        ({"per_page": " 3"}, told("Expected type integer but found type string", "per_page")),
        ({"per_page": "9" * 5000}, told("Expected type integer but found type string", "per_page")),
        ({"page": "-1"}, told("Value -1 is less than minimum 0", "page")),
        ({"page": "1000001"}, told("Value 1000001 is greater than maximum 1000000", "page")),
        ({"page": "x"}, told("Expected type integer but found type string", "page")),
        ({"include_totals": "yes"}, told("Expected type boolean but found type string", "include_totals")),
        ({"include_totals": "True"}, told("Expected type boolean but found type string", "include_totals")),
        ({"take": "0"}, told("Value 0 is less than minimum 1", "take")),
        ({"take": "101"}, told("Value 101 is greater than maximum 100", "take")),
        ({"take": "x"}, told("Expected type integer but found type string", "take")),
        ({"from": "x"}, told("Expected type integer but found type string", "from")),
        ({"from": "1' OR '1'='1"}, told("Expected type integer but found type string", "from")),
        ({"from": "-1"}, told("Value -1 is less than minimum 0", "from")),
        ({"from": "9999999999"}, told("Value 9999999999 is greater than maximum 2147483647", "from")),
    ],
    ids=lambda value: str(value)[:30],
)
def test_value_that_cannot_be_is_refused(
    caller: Caller, refused: Callable[..., None], noun: str, params: dict[str, str], message: str
) -> None:
    refused(caller.manage("GET", noun, params=params), 400, message, "invalid_query_string")


def test_bounds_are_fine(caller: Caller, noun: str) -> None:
    assert len(listed(caller, noun, per_page=100)) == COUNT
    assert listed(caller, noun, per_page=0) == []
    assert listed(caller, noun, take=5, **{"from": "2147483647"}) == {NOUNS[noun]: []}


def test_list_is_capped_at_fifty_unless_more_is_asked_for(caller: Caller) -> None:
    for number in range(60):
        caller.create("resource-servers", identifier=f"urn:capped:{number}")

    assert len(listed(caller, "resource-servers")) == 50
    assert len(listed(caller, "resource-servers", include_totals="true")["resource_servers"]) == 50
    assert len(listed(caller, "resource-servers", take=100)["resource_servers"]) == COUNT + 60
