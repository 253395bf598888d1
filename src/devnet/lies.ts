/**
 * The table of a lying node: everything a reader must not believe, must not follow and must survive.
 *
 * Written as text where JavaScript objects cannot say it (a key twice, `__proto__`). The bulk comes last, so that a
 * reader that takes only the first rows has met each kind. Its addresses are private ones: a reader without an address
 * rule knocks on nobody's door.
 */

export interface HonestRow {
  readonly host: string;
  readonly port: number;
}

const bulkRows = 5_000;

/** @param honest other nodes of the network, about whom the node tells lies; at least one */
export function lyingTable(honest: readonly HonestRow[]): string {
  const rows = [
    ...forbidden.map((ipv4) => row({ IPV4: ipv4 })),
    ...disguises.map((text) => row({ IPV4: text })),
    ...ipv6Disguises.map((ipv6) => row({ IPV4: "", IPV6: ipv6 })),
    ...ports.map((port) => row({ IPV4: honest[0]?.host, ServerPort: port })),
    ...machineNames.map((name) => row({ IPV4: "10.66.255.1", Name: name })),
    ...notRows,
    ...honest.flatMap(slander),
    ...Array.from({ length: bulkRows }, (_, count) => row({ IPV4: `10.66.${count >> 8}.${count & 0xff}` })),
  ];
  return `{"ip_address":[${rows.join(",")}]}`;
}

const row = (fields: Record<string, unknown>): string =>
  JSON.stringify({ Name: "liar", IPV4: "", IPV6: "", Latency: 1, ServerPort: "8088", NAT: false, ...fields });

/** Addresses that no stranger may send us to: own machine, private, metadata, multicast, broadcast, nowhere. */
const forbidden = [
  "127.0.0.1",
  "0.0.0.0",
  "10.0.0.1",
  "172.16.0.1",
  "192.168.0.1",
  "100.64.0.1",
  "169.254.169.254",
  "169.254.1.1",
  "192.0.0.192",
  "224.0.0.1",
  "240.0.0.1",
  "255.255.255.255",
];

/** The same in spellings that some parsers take for an address, and texts that end up elsewhere in a URL. */
const disguises = [
  "0x7f000001",
  "0x7f.1",
  "0177.0.0.1",
  "2130706433",
  "127.1",
  "127.0.0.1.",
  " 127.0.0.1",
  "127.0.0.1\n",
  "127.0.0.1:22",
  "127.0.0.1/../",
  "127.0.0.1#",
  "root@127.0.0.1",
  "http://127.0.0.1",
  "127.0.0.1\u0000.example",
  "localhost",
  "metadata.google.internal",
  "127.0.0.1.nip.io",
  "\uff11\uff12\uff17.0.0.1",
  "999.1.1.1",
  "",
];

/** IPv4-mapped, IPv4-compatible, NAT64, 6to4, Teredo, unique local, link-local with a zone, site-local, multicast. */
const ipv6Disguises = [
  "::1",
  "::",
  "::ffff:127.0.0.1",
  "::ffff:a9fe:a9fe",
  "::ffff:0:127.0.0.1",
  "::127.0.0.1",
  "64:ff9b::a9fe:a9fe",
  "64:ff9b:1::a00:1",
  "2002:7f00:1::",
  "2002:a9fe:a9fe::",
  "2001:0:a9fe:a9fe::",
  "fd00:ec2::254",
  "fe80::1",
  "fe80::1%lo",
  "fec0::1",
  "ff02::1",
  "[::1]",
  "0:0:0:0:0:0:0:1",
  "::ffff:127.0.0.1%1",
  "1:2:3",
];

const ports: readonly unknown[] = [
  "0",
  "70000",
  "65536",
  "-1",
  "abc",
  "80a",
  "1e3",
  "0x50",
  " 80",
  "",
  "8088/../",
  null,
  0,
  -1,
  8088.5,
  1e300,
  true,
  [],
  {},
];

/** Escape sequences that repaint a terminal, forged log lines, text that runs backwards, magic keys, 10 kB. */
const machineNames: readonly unknown[] = [
  "\u001b[2J\u001b[31mall is well\u001b[0m",
  "\u001b]0;owned\u0007",
  "\u009b31m",
  "a\r\nnode: forged",
  "tab\tand\u0000nul",
  "\u202egnirts",
  "\ud800 lone surrogate",
  "__proto__",
  "constructor",
  "../../etc/passwd",
  "$(reboot)",
  "=cmd()|'x'!A1",
  "<script>alert(1)</script>",
  "x".repeat(10_240),
  "\u0301".repeat(500),
  null,
  7,
  ["list"],
  { $gt: "" },
];

const notRows = [
  "null",
  "true",
  "0",
  '"127.0.0.1"',
  "[]",
  "{}",
  '["127.0.0.1","8088"]',
  '{"IPV4":{"IPV4":"127.0.0.1"}}',
  '{"__proto__":{"isPolluted":true},"IPV4":"10.66.255.2","ServerPort":"8088"}',
  '{"constructor":{"prototype":{"isPolluted":true}},"IPV4":"10.66.255.3","ServerPort":"8088"}',
  '{"IPV4":"10.66.255.4","IPV4":"127.0.0.1","ipv4":"169.254.169.254","ServerPort":"8088"}',
  '{"IPV4":"10.66.255.5","ServerPort":"8088","Latency":-1,"Download":1e400,"Upload":"fast","NAT":"perhaps"}',
  '{"IPV4":"10.66.255.6","ServerPort":"8088","Latency":99999999999999999999,"CustomInformation":{"a":[1]},"PublicKey":7}',
];

/** Rows about a real node: twice the same, then a wrong name, numbers too good to be true, and somebody else's key. */
function slander(node: HonestRow): readonly string[] {
  const about = { IPV4: node.host, ServerPort: String(node.port) };
  const copy = row({ ...about, Name: "impostor", Latency: 1, Download: 1e9, Upload: 1e9 });
  const key = row({
    ...about,
    Name: "impostor",
    NAT: true,
    EscapeImplementation: "FRP",
    ProxyServer: true,
    UnSafeMode: true,
    MachineUsername: "root",
    PublicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIintruder liar\n",
  });
  return [copy, copy, key, row({ ...about, IPV6: "::1" })];
}
