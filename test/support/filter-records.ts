/** A record with a field of each type, for tests of the filter grammar. */
import {
  boolean,
  decimal,
  duration,
  enumeration,
  integer,
  mapOfText,
  repeatedInteger,
  repeatedText,
  text,
  timestamp,
  type FieldTable,
} from "../../src/filter/fields.js";

export interface Machine {
  readonly name?: string | undefined;
  readonly cores?: number | undefined;
  readonly load?: number | undefined;
  readonly latencyNs?: number | undefined;
  readonly seenMs?: number | undefined;
  readonly nat?: boolean | undefined;
  readonly state?: "ACTIVE" | "LOST" | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly sizes?: readonly (number | undefined)[] | undefined;
  readonly labels?: ReadonlyMap<string, string> | undefined;
}

export const machineFields = {
  name: text((machine) => machine.name),
  "specs.cores": integer((machine) => machine.cores, { unsetAt: 0 }),
  load: decimal((machine) => machine.load),
  latency: duration((machine) => machine.latencyNs),
  seen: timestamp((machine) => machine.seenMs),
  nat: boolean((machine) => machine.nat),
  state: enumeration("STATE_", ["ACTIVE", "LOST"], (machine) => machine.state),
  tags: repeatedText((machine) => machine.tags),
  sizes: repeatedInteger((machine) => machine.sizes),
  labels: mapOfText((machine) => machine.labels),
} satisfies FieldTable<Machine>;
