"""How requests name clients and APIs: found, or refused in Auth0's words."""

from gatewright.server.client import Client
from gatewright.server.context import Server
from gatewright.server.errors import ApiError
from gatewright.server.management.endpoint import Call
from gatewright.server.model import ResourceServer
from gatewright.server.store.policies import find_resource_server


def named_client(call: Call, client_id: str) -> Client:
    """The client with this id.

    Raises:
        ApiError: 404, there is none.
    """
    client = call.tx.clients.first(client_id=client_id)
    if client is None:
        raise ApiError(404, "The client does not exist", "inexistent_client")
    return client


def find_api(call: Call, identifier: str) -> ResourceServer | None:
    """The API with this identifier, the system API included."""
    reserved = call.server.settings.management_audience
    return find_resource_server(call.tx, identifier, system_identifier=reserved)


def identifier_of(server: Server, resource_server: ResourceServer) -> str:
    """The audience; the system API's comes from the issuer of today."""
    return resource_server.identifier or server.settings.management_audience
