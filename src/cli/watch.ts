/** `p2prc watch`: every change of containers and groups, as it comes. */
import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { WatchResponseSchema } from "../gen/p2prc/client/v1/watch_pb.js";
import { addConfigFlags, clientSettings, configFlagsOf } from "./config-flags.js";
import { changeLines } from "./container-text.js";
import { plainText } from "./plain-text.js";
import { printJsonLine } from "./print-json.js";
import { withSession } from "./session.js";
import type { Surroundings } from "./surroundings.js";

interface WatchFlags {
  readonly json?: boolean;
  readonly filter?: string;
  readonly groupFilter?: string;
  readonly from?: string;
  readonly initial?: boolean;
  readonly gateway?: string;
}

export function addWatchFlags(command: Command): void {
  command
    .option("--filter <FILTER>", "which containers, such as 'state = ACTIVE' (docs/filters.md; default all)")
    .option("--group-filter <FILTER>", "which groups, such as 'container_count > 0' (default all)")
    .option("--from <REVISION>", "begin after this revision (default now)")
    .option("--initial", "show what exists first")
    .option("--json", "print each message as a line of JSON, signs of life included")
    .option("--gateway <URL>", "a gateway that runs; else the one of the base folder");
  addConfigFlags(command, clientSettings);
}

/** Ends by a signal, or by the gateway's end. Says on stderr where to go on. */
export async function runWatch(
  options: Readonly<Record<string, unknown>>,
  surroundings: Surroundings,
): Promise<number> {
  const flags: WatchFlags = options;
  const { output, signal } = surroundings;
  const request = {
    containerFilter: flags.filter ?? "",
    groupFilter: flags.groupFilter ?? "",
    startRevision: flags.from ?? "",
    sendInitialState: flags.initial === true,
  };
  let revision = "";
  const session = { gateway: flags.gateway, flags: configFlagsOf(options) };
  await withSession(session, surroundings, async ({ client }) => {
    try {
      for await (const message of client.watch(request, { signal })) {
        if (flags.json === true) printJsonLine(output.stdout, toJson(WatchResponseSchema, message));
        else for (const line of changeLines(message)) output.stdout.write(`${line}\n`);
        // What has none cannot be continued.
        if (message.revision !== "") ({ revision } = message);
      }
    } finally {
      if (revision !== "") output.stderr.write(`go on with: p2prc watch --from ${plainText(revision)}\n`);
    }
  });
  return 0;
}
