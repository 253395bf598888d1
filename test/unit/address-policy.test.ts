import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { createAddressPolicy } from "../../src/p2p/address-policy.js";
import { canonicalIp, parseTypedAddress } from "../../src/peer-api/address.js";

const policy = createAddressPolicy([]);

/** A range of the registries: its ends, and the neighbours that are public (absent: the neighbour is special too). */
interface Row {
  readonly range: string;
  readonly first: string;
  readonly last: string;
  readonly before?: string;
  readonly after?: string;
}

const ipv4Rows: readonly Row[] = [
  { range: "0.0.0.0/8", first: "0.0.0.0", last: "0.255.255.255", after: "1.0.0.0" },
  {
    range: "10.0.0.0/8",
    first: "10.0.0.0",
    last: "10.255.255.255",
    before: "9.255.255.255",
    after: "11.0.0.0",
  },
  {
    range: "100.64.0.0/10",
    first: "100.64.0.0",
    last: "100.127.255.255",
    before: "100.63.255.255",
    after: "100.128.0.0",
  },
  {
    range: "127.0.0.0/8",
    first: "127.0.0.0",
    last: "127.255.255.255",
    before: "126.255.255.255",
    after: "128.0.0.0",
  },
  {
    range: "169.254.0.0/16",
    first: "169.254.0.0",
    last: "169.254.255.255",
    before: "169.253.255.255",
    after: "169.255.0.0",
  },
  {
    range: "172.16.0.0/12",
    first: "172.16.0.0",
    last: "172.31.255.255",
    before: "172.15.255.255",
    after: "172.32.0.0",
  },
  {
    range: "192.0.0.0/24",
    first: "192.0.0.0",
    last: "192.0.0.255",
    before: "191.255.255.255",
    after: "192.0.1.0",
  },
  {
    range: "192.0.2.0/24",
    first: "192.0.2.0",
    last: "192.0.2.255",
    before: "192.0.1.255",
    after: "192.0.3.0",
  },
  {
    range: "192.88.99.0/24",
    first: "192.88.99.0",
    last: "192.88.99.255",
    before: "192.88.98.255",
    after: "192.88.100.0",
  },
  {
    range: "192.168.0.0/16",
    first: "192.168.0.0",
    last: "192.168.255.255",
    before: "192.167.255.255",
    after: "192.169.0.0",
  },
  {
    range: "198.18.0.0/15",
    first: "198.18.0.0",
    last: "198.19.255.255",
    before: "198.17.255.255",
    after: "198.20.0.0",
  },
  {
    range: "198.51.100.0/24",
    first: "198.51.100.0",
    last: "198.51.100.255",
    before: "198.51.99.255",
    after: "198.51.101.0",
  },
  {
    range: "203.0.113.0/24",
    first: "203.0.113.0",
    last: "203.0.113.255",
    before: "203.0.112.255",
    after: "203.0.114.0",
  },
  { range: "224.0.0.0/4", first: "224.0.0.0", last: "239.255.255.255", before: "223.255.255.255" },
  { range: "240.0.0.0/4", first: "240.0.0.0", last: "255.255.255.255" },
];

const ones = (groups: number): string => Array.from({ length: groups }, () => "ffff").join(":");

const ipv6Rows: readonly Row[] = [
  { range: "::/128", first: "::", last: "::" },
  { range: "::1/128", first: "::1", last: "::1" },
  { range: "::/96", first: "::", last: "::255.255.255.255" },
  { range: "::ffff:0:0:0/96", first: "::ffff:0:0.0.0.0", last: "::ffff:0:255.255.255.255" },
  { range: "64:ff9b::/96", first: "64:ff9b::", last: "64:ff9b::255.255.255.255" },
  { range: "64:ff9b:1::/48", first: "64:ff9b:1::", last: `64:ff9b:1:${ones(5)}` },
  { range: "100::/64", first: "100::", last: `100:0:0:0:${ones(4)}` },
  { range: "100:0:0:1::/64", first: "100:0:0:1::", last: `100:0:0:1:${ones(4)}` },
  { range: "below 2000::/3", first: "::2:0:0", last: `1fff:${ones(7)}`, after: "2000::" },
  {
    range: "2001::/23",
    first: "2001::",
    last: `2001:1ff:${ones(6)}`,
    before: `2000:${ones(7)}`,
    after: "2001:200::",
  },
  { range: "2001::/32", first: "2001::", last: `2001:0:${ones(6)}` },
  { range: "2001:1::1/128", first: "2001:1::1", last: "2001:1::1" },
  { range: "2001:1::2/128", first: "2001:1::2", last: "2001:1::2" },
  { range: "2001:1::3/128", first: "2001:1::3", last: "2001:1::3" },
  { range: "2001:2::/48", first: "2001:2::", last: `2001:2:0:${ones(5)}` },
  { range: "2001:3::/32", first: "2001:3::", last: `2001:3:${ones(6)}` },
  { range: "2001:4:112::/48", first: "2001:4:112::", last: `2001:4:112:${ones(5)}` },
  { range: "2001:10::/28", first: "2001:10::", last: `2001:1f:${ones(6)}` },
  { range: "2001:20::/28", first: "2001:20::", last: `2001:2f:${ones(6)}` },
  { range: "2001:30::/28", first: "2001:30::", last: `2001:3f:${ones(6)}` },
  {
    range: "2001:db8::/32",
    first: "2001:db8::",
    last: `2001:db8:${ones(6)}`,
    before: `2001:db7:${ones(6)}`,
    after: "2001:db9::",
  },
  {
    range: "2002::/16",
    first: "2002::",
    last: `2002:${ones(7)}`,
    before: `2001:${ones(7)}`,
    after: "2003::",
  },
  {
    range: "3fff::/20",
    first: "3fff::",
    last: `3fff:fff:${ones(6)}`,
    before: `3ffe:${ones(7)}`,
    after: "3fff:1000::",
  },
  { range: "above 2000::/3", first: "4000::", last: ones(8), before: `3fff:${ones(7)}` },
  { range: "5f00::/16", first: "5f00::", last: `5f00:${ones(7)}` },
  { range: "fc00::/7", first: "fc00::", last: `fdff:${ones(7)}` },
  { range: "fe80::/10", first: "fe80::", last: `febf:${ones(7)}` },
  { range: "fec0::/10", first: "fec0::", last: `feff:${ones(7)}` },
  { range: "ff00::/8", first: "ff00::", last: ones(8) },
];

const octetsOf = (value: number): number[] => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
const ipv4Of = (value: number): string => octetsOf(value).join(".");
const valueOf = (ipv4: string): number =>
  ipv4.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
const hexOf = (ipv4: string): string => {
  const value = valueOf(ipv4);
  return `${Math.floor(value / 65_536).toString(16)}:${(value % 65_536).toString(16)}`;
};
const ipv6Of = (value: bigint): string => {
  const digits = value.toString(16).padStart(32, "0");
  return Array.from({ length: 8 }, (_, index) => digits.slice(4 * index, 4 * index + 4)).join(":");
};

const anyIpv4 = fc.integer({ min: 0, max: 0xff_ff_ff_ff }).map((value) => ipv4Of(value));
const anyIpv6 = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n });

describe("the registries", () => {
  it.each([...ipv4Rows, ...ipv6Rows])("refuses $range from its first to its last address", (row) => {
    expect([row.first, row.last].filter((ip) => policy.allows(ip))).toEqual([]);
  });

  it.each([...ipv4Rows, ...ipv6Rows].filter((row) => row.before ?? row.after))(
    "allows the public addresses just outside $range",
    (row) => {
      const outside = [row.before, row.after].filter((ip) => ip !== undefined);
      expect(outside.filter((ip) => !policy.allows(ip))).toEqual([]);
    },
  );

  it.each([
    "1.1.1.1",
    "8.8.8.8",
    "64.227.168.102",
    "192.31.196.1",
    "192.52.193.1",
    "192.175.48.1",
    "2606:4700:4700::1111",
    "2a01:4f8::1",
    "2620:4f:8000::1",
  ])("allows the globally reachable %s", (ip) => {
    expect([policy.allows(ip), policy.allowsConnected(ip)]).toEqual([true, true]);
  });

  it("refuses the anycast addresses of protocols inside 192.0.0.0/24", () => {
    expect(["192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170"].filter((ip) => policy.allows(ip))).toEqual(
      [],
    );
  });

  it("allows an IPv4 address exactly when no row holds it", () => {
    const nearARow = fc
      .tuple(
        fc.constantFrom(...ipv4Rows.flatMap((row) => [row.first, row.last])),
        fc.integer({ min: -300, max: 300 }),
      )
      .map(([end, distance]) => ipv4Of(Math.min(0xff_ff_ff_ff, Math.max(0, valueOf(end) + distance))));
    fc.assert(
      fc.property(fc.oneof(anyIpv4, nearARow), (ip) => {
        const value = valueOf(ip);
        const isSpecial = ipv4Rows.some((row) => valueOf(row.first) <= value && value <= valueOf(row.last));
        expect(policy.allows(ip)).toBe(!isSpecial);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("disguises", () => {
  const forbiddenIpv4 = [
    "127.0.0.1",
    "127.8.9.10",
    "10.1.2.3",
    "169.254.169.254",
    "172.16.5.4",
    "192.168.1.1",
    "100.64.0.9",
    "0.0.0.0",
    "192.0.2.55",
    "203.0.113.7",
    "224.0.0.1",
    "255.255.255.255",
  ];
  const fullWidth = (text: string): string =>
    text.replace(/[0-9]/g, (digit) => String.fromCodePoint(digit.codePointAt(0)! + 0xff10 - 0x30));
  const radix = (ip: string, base: number, prefix: string): string =>
    ip
      .split(".")
      .map((octet) => prefix + Number(octet).toString(base))
      .join(".");

  /** Ways to write an IPv4 address that some parser, resolver or gateway somewhere takes for it. */
  const ipv4Disguises: readonly ((ip: string) => string)[] = [
    (ip) => ip,
    (ip) => `::ffff:${ip}`,
    (ip) => `::FFFF:${ip}`,
    (ip) => `::ffff:${hexOf(ip)}`,
    (ip) => `::FFFF:${hexOf(ip).toUpperCase()}`,
    (ip) => `0:0:0:0:0:ffff:${ip}`,
    (ip) => `0000:0000:0000:0000:0000:ffff:${ip}`,
    (ip) => `0:0:0:0:0:ffff:${hexOf(ip)}`,
    (ip) => `0::ffff:${ip}`,
    (ip) => `::0:ffff:${ip}`,
    (ip) => `[::ffff:${ip}]`,
    (ip) => `[::ffff:${hexOf(ip)}]:8088`,
    (ip) => `::ffff:${ip}%eth0`,
    (ip) => `::${ip}`,
    (ip) => `::${hexOf(ip)}`,
    (ip) => `0:0:0:0:0:0:${ip}`,
    (ip) => `::ffff:0:${ip}`,
    (ip) => `0:0:0:0:ffff:0:${hexOf(ip)}`,
    (ip) => `64:ff9b::${ip}`,
    (ip) => `64:ff9b::${hexOf(ip)}`,
    (ip) => `64:FF9B:0:0:0:0:${ip}`,
    (ip) => `0064:ff9b::${ip}`,
    (ip) => `64:ff9b:1::${ip}`,
    (ip) => `64:ff9b:1:${hexOf(ip)}::`,
    (ip) => `2002:${hexOf(ip)}::`,
    (ip) => `2002:${hexOf(ip)}::1`,
    (ip) => `2002:${hexOf(ip)}:0:0:0:0:${ip}`,
    (ip) => `2001:0:${hexOf(ip)}::`,
    (ip) => `2001:0:4136:e378:8000:63bf:${hexOf(ipv4Of(~valueOf(ip) >>> 0))}`,
    (ip) => `fe80::5efe:${ip}`,
    (ip) => radix(ip, 16, "0x"),
    (ip) => radix(ip, 16, "0X").toUpperCase(),
    (ip) => radix(ip, 8, "0"),
    (ip) => radix(ip, 8, "0o"),
    (ip) => radix(ip, 2, "0b"),
    (ip) => String(valueOf(ip)),
    (ip) => `0x${valueOf(ip).toString(16)}`,
    (ip) => `0${valueOf(ip).toString(8)}`,
    (ip) => String(valueOf(ip) + 2 ** 32),
    (ip) => ip.replace(/^(\d+)\..*$/, (_, first: string) => `${first}.${valueOf(ip) % 2 ** 24}`),
    (ip) =>
      ip.replace(
        /\.(\d+)\.(\d+)$/,
        (_, third: string, last: string) => `.${Number(third) * 256 + Number(last)}`,
      ),
    (ip) =>
      ip
        .split(".")
        .map((octet) => octet.padStart(3, "0"))
        .join("."),
    (ip) => `0${ip}`,
    (ip) => `${ip}.`,
    (ip) => `${ip}..`,
    (ip) => ` ${ip}`,
    (ip) => `${ip}\n`,
    (ip) => `${ip}\0`,
    (ip) => `${ip}\0.example`,
    (ip) => `[${ip}]`,
    (ip) => `${ip}%25eth0`,
    (ip) => `${ip}/32`,
    (ip) => `user@${ip}`,
    (ip) => `8.8.8.8@${ip}`,
    (ip) => `8.8.8.8#@${ip}`,
    (ip) => `http://${ip}`,
    (ip) => ip.replace(/\d/g, (digit) => `%3${digit}`),
    (ip) => ip.replaceAll(".", "%2e"),
    (ip) => ip.replaceAll(".", "\u3002"),
    (ip) => ip.replaceAll(".", "\uff0e"),
    (ip) => fullWidth(ip),
    (ip) => `::ffff:${fullWidth(ip)}`,
    (ip) => ip.replace(/\d/g, (digit) => String.fromCodePoint(digit.codePointAt(0)! + 0x660 - 0x30)),
    (ip) => ip.replace("1", "①").replace("2", "②"),
  ];
  const ipv6Spellings = [
    [
      "::1",
      "0::1",
      "::0:1",
      "0:0:0:0:0:0:0:1",
      "0000:0000:0000:0000:0000:0000:0000:0001",
      "::0.0.0.1",
      "::1%lo",
      "[::1]",
      "[::1]:8088",
      "[0::1]:8088",
    ],
    ["::", "0::", "::0", "::0.0.0.0", "0:0:0:0:0:0:0:0", "[::]", "[::]:8088"],
    [
      "fe80::1",
      "FE80::1",
      "fe80:0::1",
      "fe80::0.0.0.1",
      "fe80::1%eth0",
      "fe80::1%25eth0",
      "[fe80::1]",
      "[fe80::1%eth0]:1",
      "febf::1",
      "FEbF::1",
    ],
    [
      "fd00:ec2::254",
      "FD00:EC2::254",
      "fd00:0ec2::0254",
      "fd00:ec2::0.0.2.84",
      "fc00::",
      "fdff::1",
      "[fd00:ec2::254]:80",
    ],
    [
      "fec0::1",
      "FEC0::1",
      "feff::1",
      "ff02::1",
      "FF02::1",
      "ff02::0.0.0.1",
      "ff0e::1",
      "ff02::1%eth0",
      "[ff05::2]:8088",
    ],
    [
      "2001:db8::1",
      "2001:0DB8::1",
      "2001:db8:0:0::1",
      "2001:db8::0.0.0.1",
      "3fff::1",
      "3FFF:0FFF::1",
      "100::1",
      "5f00::1",
      "2001:1::1",
      "2001:20::1",
      "2001:2::1",
    ],
  ].flat();
  const spellings = [
    ...new Set([
      ...forbiddenIpv4.flatMap((ip) => ipv4Disguises.map((disguise) => disguise(ip))),
      ...ipv6Spellings,
    ]),
  ];

  it("allows none of more than 400 spellings of forbidden addresses, however it is read", () => {
    const allowed = spellings.filter((text) => {
      const hosts = [canonicalIp(text), parseTypedAddress(text)?.host, text];
      return hosts.some(
        (host) => host !== undefined && (policy.allows(host) || policy.allowsConnected(host)),
      );
    });
    expect(spellings.length).toBeGreaterThan(400);
    expect(allowed).toEqual([]);
  });

  it("allows of a public address its own spelling and the IPv4-mapped ones, and no other", () => {
    const allowed = ipv4Disguises
      .map((disguise) => disguise("8.8.4.4"))
      .filter((text) => policy.allows(text));
    expect(new Set(allowed)).toEqual(
      new Set([
        "8.8.4.4",
        "::ffff:8.8.4.4",
        "::FFFF:8.8.4.4",
        "::ffff:808:404",
        "::FFFF:808:404",
        "0:0:0:0:0:ffff:8.8.4.4",
        "0000:0000:0000:0000:0000:ffff:8.8.4.4",
        "0:0:0:0:0:ffff:808:404",
        "0::ffff:8.8.4.4",
        "::0:ffff:8.8.4.4",
      ]),
    );
  });

  it("judges an IPv4-mapped address as the IPv4 address it is, for any IPv4 address", () => {
    fc.assert(
      fc.property(anyIpv4, (ip) => {
        const verdict = policy.allows(ip);
        for (const mapped of [`::ffff:${ip}`, `::FFFF:${hexOf(ip)}`, `0:0:0:0:0:ffff:${ip}`]) {
          expect([policy.allows(mapped), policy.allowsConnected(mapped)]).toEqual([verdict, verdict]);
        }
      }),
    );
  });

  it("refuses every other IPv6 form of an IPv4 address, public or not", () => {
    fc.assert(
      fc.property(anyIpv4, (ip) => {
        const forms = [
          `::${ip}`,
          `::ffff:0:${ip}`,
          `64:ff9b::${ip}`,
          `2002:${hexOf(ip)}::1`,
          `2001:0:${hexOf(ip)}::`,
        ];
        expect(forms.filter((form) => policy.allows(form))).toEqual([]);
      }),
    );
  });

  it.each(["localhost", "example.org", "", "nodes/8.8.8.8", "8.8.8.8:8088"])(
    "refuses %j, which is no IP literal",
    (host) => {
      expect([policy.allows(host), policy.allowsConnected(host)]).toEqual([false, false]);
    },
  );
});

describe("allowed ranges", () => {
  it("open loopback for the address in every spelling that means it, and for no disguise", () => {
    const open = createAddressPolicy(["127.0.0.0/8"]);
    expect(
      ["127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1"].filter((ip) => !open.allowsConnected(ip)),
    ).toEqual([]);
    const disguises = ["64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "::1", "2001:0:7f00:1::"];
    expect(disguises.filter((ip) => open.allows(ip))).toEqual([]);
  });

  it("mean the IPv4 range when they are written IPv4-mapped", () => {
    const open = createAddressPolicy(["::ffff:10.0.0.0/104"]);
    expect([open.allows("10.255.255.255"), open.allows("11.0.0.0"), open.allows("9.255.255.255")]).toEqual([
      true,
      true,
      true,
    ]);
    expect(createAddressPolicy([]).allows("10.255.255.255")).toBe(false);
  });

  it("of IPv6 open no IPv4 address, not even ::/0", () => {
    const open = createAddressPolicy(["::/0"]);
    expect([open.allows("::1"), open.allows("127.0.0.1"), open.allows("::ffff:127.0.0.1")]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("never open the addresses that name no machine", () => {
    const open = createAddressPolicy(["0.0.0.0/0", "::/0"]);
    expect(["0.0.0.0", "::", "::ffff:0.0.0.0", "0::0"].filter((ip) => open.allows(ip))).toEqual([]);
    expect(["0.0.0.1", "::2", "255.255.255.255"].filter((ip) => !open.allows(ip))).toEqual([]);
  });

  it("hold a link-local socket address whatever its zone", () => {
    const open = createAddressPolicy(["fe80::/10"]);
    expect([open.allowsConnected("fe80::1%eth0"), policy.allowsConnected("fe80::1%eth0")]).toEqual([
      true,
      false,
    ]);
  });

  it("open exactly their IPv4 addresses", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xff_ff_ff_ff }),
        fc.integer({ min: 1, max: 32 }),
        (seed, bits) => {
          const size = 2 ** (32 - bits);
          const first = seed - (seed % size);
          const open = createAddressPolicy([`${ipv4Of(first)}/${bits}`]);
          for (const inside of [Math.max(first, 1), first + size - 1].filter(
            (value) => value < first + size && value > 0,
          )) {
            expect(open.allows(ipv4Of(inside))).toBe(true);
          }
          for (const outside of [first - 1, first + size].filter((value) => value >= 0 && value < 2 ** 32)) {
            expect(open.allows(ipv4Of(outside))).toBe(policy.allows(ipv4Of(outside)));
          }
        },
      ),
    );
  });

  it("open exactly their IPv6 addresses", () => {
    // Below 2^48 lies the IPv4-mapped range, which is IPv4.
    fc.assert(
      fc.property(anyIpv6, fc.integer({ min: 1, max: 128 }), (seed, bits) => {
        const size = 1n << BigInt(128 - bits);
        const first = seed - (seed % size);
        fc.pre(first > 1n << 49n);
        const open = createAddressPolicy([`${ipv6Of(first)}/${bits}`]);
        for (const inside of [first, first + size - 1n]) expect(open.allows(ipv6Of(inside))).toBe(true);
        for (const outside of [first - 1n, first + size].filter((value) => value < 1n << 128n)) {
          expect(open.allows(ipv6Of(outside))).toBe(policy.allows(ipv6Of(outside)));
        }
      }),
    );
  });

  it("that cannot be read are named", () => {
    expect(() => createAddressPolicy(["10.0.0.0/8", "10.0.0.1/8"])).toThrow(
      /"10\.0\.0\.1\/8".*10\.0\.0\.0\/8/,
    );
  });
});
