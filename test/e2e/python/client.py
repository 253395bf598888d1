"""A client in another language, generated from the proto alone: calls every RPC and prints what it saw as JSON.

Usage: client.py HOST:PORT ENTRY_NODE_ADDRESS
"""

import json
import sys

import grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from p2prc.client.v1 import (
    client_service_pb2_grpc,
    container_pb2,
    group_pb2,
    ip_table_pb2,
    node_info_pb2,
    port_pb2,
    watch_pb2,
)
from google.protobuf import any_pb2


def status_details(error: grpc.RpcError) -> list[any_pb2.Any]:
    """Reads the google.rpc.Status in the trailers: field 3 is a list of Any."""
    raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
    # google.rpc.Status has the same field 3 as this look-alike; no further package is needed to read it.
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    pool = descriptor_pool.Default()
    file = descriptor_pb2.FileDescriptorProto(
        name="status_lookalike.proto", package="lookalike", syntax="proto3", dependency=["google/protobuf/any.proto"]
    )
    message = file.message_type.add(name="Status")
    message.field.add(name="details", number=3, label=3, type=11, type_name=".google.protobuf.Any")
    try:
        pool.Add(file)
    except TypeError:
        pass
    status = message_factory.GetMessageClass(pool.FindMessageTypeByName("lookalike.Status"))()
    status.ParseFromString(raw)
    return list(status.details)


def refusal(call) -> dict:
    try:
        call()
    except grpc.RpcError as error:
        info = error_details_pb2.ErrorInfo()
        found = any(detail.Unpack(info) for detail in status_details(error))
        return {"code": error.code().name, "reason": info.reason if found else None, "domain": info.domain}
    return {"code": "OK"}


def life_of_a_container(client, node: str) -> dict:
    """From its creation to its end: tracked, grouped, waited for, watched, removed."""
    spec = container_pb2.ContainerSpec(port_count=1, labels={"made-by": "python"})
    asked = container_pb2.CreateContainerRequest(node=node, spec=spec, request_id="python-1")
    made = client.CreateContainer(asked)
    name = made.container.name
    group = client.CreateGroup(group_pb2.CreateGroupRequest(containers=[name])).group
    other = client.CreateGroup(group_pb2.CreateGroupRequest()).group
    client.AddContainersToGroup(group_pb2.AddContainersToGroupRequest(group=other.name, containers=[name]))
    client.RemoveContainersFromGroup(group_pb2.RemoveContainersFromGroupRequest(group=other.name, containers=[name]))
    ended = client.RemoveGroup(group_pb2.RemoveGroupRequest(group=other.name))
    waited = client.WaitContainer(
        container_pb2.WaitContainerRequest(container=name, condition=container_pb2.WaitContainerRequest.CONDITION_SSH_READY)
    )
    access = client.GetContainerAccess(container_pb2.GetContainerAccessRequest(container=name)).access
    mapped = client.MapPort(port_pb2.MapPortRequest(container=name, port=22))
    listed = client.ListContainers(container_pb2.ListContainersRequest(filter='spec.labels.made-by = "python"'))
    removed = client.RemoveContainer(container_pb2.RemoveContainerRequest(container=name))
    stream = client.Watch(watch_pb2.WatchRequest(start_revision=listed.revision), timeout=20)
    changes = []
    for message in stream:
        changes += [(change.WhichOneof("item"), watch_pb2.Change.Type.Name(change.type)) for change in message.changes]
        if any(kind == "container" and change == "TYPE_REMOVED" for kind, change in changes):
            break
    stream.cancel()
    return {
        "replayed": client.CreateContainer(asked).replayed,
        "ports": len(made.container.ports),
        "access": access == made.access and access.ssh_port > 0,
        "met": waited.met,
        "mapped": mapped.address == f"{mapped.host}:{mapped.port}" and mapped.node_port == access.ssh_port,
        "listed": [container.name == name for container in listed.containers],
        "grouped": list(client.GetGroup(group_pb2.GetGroupRequest(group=group.id)).group.containers),
        "groups": [one.name == group.name for one in client.ListGroups(group_pb2.ListGroupsRequest()).groups],
        "ended": ended.removed,
        "said": removed.node_message,
        "changes": changes,
        "state": container_pb2.Container.State.Name(
            client.GetContainer(container_pb2.GetContainerRequest(container=name)).container.state
        ),
        "gone": refusal(lambda: client.RemoveContainer(container_pb2.RemoveContainerRequest(container=name))),
    }


def main(target: str, entry: str) -> None:
    channel = grpc.insecure_channel(target)
    client = client_service_pb2_grpc.ClientServiceStub(channel)
    health = health_pb2_grpc.HealthStub(channel)
    seen = {"health": health_pb2.HealthCheckResponse.ServingStatus.Name(health.Check(health_pb2.HealthCheckRequest()).status)}
    node = client.AddNode(ip_table_pb2.AddNodeRequest(address=entry, replace_all=True)).node
    events = list(client.UpdateIpTable(ip_table_pb2.UpdateIpTableRequest(max_hops=3), timeout=20))
    seen["sequences"] = [event.sequence for event in events]
    seen["last"] = events[-1].WhichOneof("event")
    seen["active"] = events[-1].completed.active_count
    seen["nodes"] = len(client.ListNodes(ip_table_pb2.ListNodesRequest(page_size=1000)).nodes)
    seen["hostname"] = client.GetSpecs(node_info_pb2.GetSpecsRequest(node=node.name)).specs.hostname
    seen["images"] = len(client.ListImages(node_info_pb2.ListImagesRequest(node=node.name)).images)
    seen["invalid"] = refusal(lambda: list(client.UpdateIpTable(ip_table_pb2.UpdateIpTableRequest(max_hops=11))))
    seen["missing"] = refusal(lambda: client.GetSpecs(node_info_pb2.GetSpecsRequest(node="nodes/127.9.9.9:1")))
    seen["container"] = life_of_a_container(client, node.name)
    seen["removed"] = client.RemoveNode(ip_table_pb2.RemoveNodeRequest(node=node.name)).node.name
    # A deadline longer than anybody would limit is taken, not refused.
    seen["long_deadline"] = len(client.ListNodes(ip_table_pb2.ListNodesRequest(), timeout=10_000_000).nodes)
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
