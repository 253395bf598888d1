/** Tracking files for a gateway to import: many containers and groups without a call to a node. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

export const importedNode = "nodes/203.0.113.7:8088";
export const importedName = (n: number): string => `${importedNode}/containers/${importedId(n)}`;
const importedId = (n: number): string => `imported-${String(n).padStart(4, "0")}`;

/** Writes files with so many containers, and groups with the first so many of them each. */
export async function writeTrackingFiles(
  base: string,
  count: number,
  groupSizes: readonly number[] = [],
): Promise<void> {
  const folder = join(base, "client/trackcontainers");
  const entries = Array.from({ length: count }, (_, n) => ({
    ID: importedId(n),
    Container: {
      ID: importedId(n),
      SSHUsername: "root",
      TagName: "p2p-ubuntu",
      Ports: { Port: null },
      GPU: "false",
    },
    IpAddress: "203.0.113.7:8088",
  }));
  const groups = groupSizes.map((size, n) => ({
    ID: `grp${String(n)}`,
    TrackContainer: entries.slice(0, size),
  }));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "trackcontainers.json"), JSON.stringify({ TrackContainer: entries }));
  await writeFile(join(folder, "grouptrackcontainer.json"), JSON.stringify({ Groups: groups }));
}
