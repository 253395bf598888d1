/** Tables that are too much: well-formed, under the 4 MiB that a reader may be expected to take, and of no use. */

/** What a table of the fault `many-rows` stays below. */
const tableBytes = 4 * 2 ** 20;

/** How many strangers the table of the fault `victims` names. */
export const victimCount = 4_096;

const tableOf = (rows: readonly string[]): string => `{"ip_address":[${rows.join(",")}]}`;

const row = (ipv4: string, port: number): string => `{"IPV4":"${ipv4}","ServerPort":"${port}"}`;

/** As many rows as fit. Their addresses are private ones: a reader without an address rule knocks on nobody's door. */
export function tableOfManyRows(): string {
  const rows: string[] = [];
  let length = tableOf([]).length;
  for (let count = 0; ; count++) {
    const next = row(`10.${64 + (count >> 16)}.${(count >> 8) & 0xff}.${count & 0xff}`, 8088);
    length += next.length + 1;
    if (length > tableBytes) return tableOf(rows);
    rows.push(next);
  }
}

/** Rows of two bytes: only so does a million fit. */
export const tableOfAMillionRows = (): string => tableOf(Array.from({ length: 1_000_000 }, () => "{}"));

/** Rows that differ from honest ones in nothing but that nobody there asked to be called. */
export const tableOfVictims = (hosts: readonly string[], port: number): string =>
  tableOf(hosts.map((host) => row(host, port)));
