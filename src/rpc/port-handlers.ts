import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { ContainerService, MapPortRequest } from "../containers/contract.js";
import type { ClientService } from "../gen/p2prc/client/v1/client_service_pb.js";
import {
  type MapPortRequest as WireRequest,
  MapPortRequest_Protocol,
} from "../gen/p2prc/client/v1/port_pb.js";
import type { Caller } from "../p2p/contract.js";
import { addressKey } from "../peer-api/address.js";

/** The handler of ports: it converts, makes one call, and converts back. */
export function portHandlers(
  opening: Promise<ContainerService>,
  caller: Caller,
): Pick<ServiceImpl<typeof ClientService>, "mapPort"> {
  return {
    async mapPort(request: WireRequest, { signal }: HandlerContext) {
      const { node, nodePort, mapped } = await (await opening).mapPort(fromMapPort(request), {
        caller,
        signal,
      });
      return { ...mapped, address: addressKey(mapped), node, nodePort };
    },
  };
}

function fromMapPort({ target, port, protocol, domainName }: WireRequest): MapPortRequest {
  return {
    target: { kind: target.case ?? "node", name: target.value ?? "" },
    port,
    domainName: domainName.toLowerCase(),
    isUdp: protocol === MapPortRequest_Protocol.UDP,
  };
}
