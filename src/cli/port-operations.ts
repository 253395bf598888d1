/** The original's flags for ports. */
import { MapPortRequest_Protocol as Protocol } from "../gen/p2prc/client/v1/port_pb.js";
import type { OriginalOperation } from "./original-flags.js";
import { isGiven, type Stage, textOption } from "./original-stage.js";
import { readWhole } from "./measures.js";
import { printJson } from "./print-json.js";
import { withPort } from "./typed-address.js";

export const portOperations = {
  mapPort: async ({ value, options, client, surroundings: { output, signal } }) => {
    const request = {
      target: { case: "node" as const, value: withPort(textOption(options, "ra") ?? "", undefined) },
      port: readWhole("--mp", value),
      protocol: isGiven(options, "udp") ? Protocol.UDP : Protocol.TCP,
      domainName: textOption(options, "dn") ?? "",
    };
    const { host, port, address } = await (await client()).mapPort(request, { signal });
    printJson(output.stdout, { IPAddress: host, PortNo: String(port), EntireAddress: address });
  },
} as const satisfies Partial<Record<OriginalOperation, (stage: Stage) => Promise<void>>>;
