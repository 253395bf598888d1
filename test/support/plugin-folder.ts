/** A plugin as the network has them, for tests on real containers. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Leaves a file in the container that names the port it took: a Go template, as those of the original are. */
const site = `- hosts: all
  become: true
  tasks:
    - name: Leave a mark
      copy:
        dest: /etc/mark
        content: "port {{index . 0}}\\n"
    - name: Say where
      shell: cat /etc/mark
`;

/** @param baseDir of the gateway */
export async function writeMarkPlugin(baseDir: string, name: string): Promise<void> {
  const folder = join(baseDir, "plugin/deploy", name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "description.txt"), "Leaves a mark\n");
  await writeFile(join(folder, "ports.json"), '{"NumOfPorts": 1}');
  await writeFile(join(folder, "site.yml"), site);
}
