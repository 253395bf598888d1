import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  addressKey,
  canonicalDnsName,
  canonicalIp,
  formatCidr,
  isIpLiteral,
  nodeName,
  parseCidr,
  parsePort,
  parseTypedAddress,
} from "../../src/peer-api/address.js";

const anyPort = fc.integer({ min: 1, max: 65_535 });
const anyLabel = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/);
const anyHost = fc.oneof(
  fc.ipV4(),
  fc.ipV6().map((ip) => canonicalIp(ip)!),
  fc.array(anyLabel, { minLength: 1, maxLength: 4 }).map((labels) => labels.join(".")),
);

/** Every way to write the eight groups of 2001:db8:0:0:0:0:a:1: zeros led or not, runs of zeros cut or not, IPv4 tail. */
function spellingsOfOneAddress(): string[] {
  const heads = ["2001:db8", "2001:DB8", "2001:0db8", "2001:0Db8"];
  const zeros = [":0:0:0:0:", ":0000:0000:0000:0000:", "::", ":0::", "::0:", ":0::0:", ":0:0::"];
  const tails = ["a:1", "A:1", "000a:0001", "0.10.0.1"];
  return heads.flatMap((head) => zeros.flatMap((zero) => tails.map((tail) => head + zero + tail)));
}

describe("an IP literal", () => {
  it("has one spelling, out of more than 50 of the same IPv6 address", () => {
    const spellings = spellingsOfOneAddress();
    expect(spellings.length).toBeGreaterThan(50);
    const keys = spellings.map((host) => addressKey({ ...parseTypedAddress(`[${host}]:8088`)!, port: 8088 }));
    expect(new Set(keys)).toEqual(new Set(["[2001:db8::a:1]:8088"]));
    expect(new Set(spellings.map((host) => canonicalIp(host)))).toEqual(new Set(["2001:db8::a:1"]));
  });

  it.each([
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:C000:201", "192.0.2.1"],
    ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
    ["::192.0.2.1", "::c000:201"],
    ["0::0", "::"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:0:0:2:3:0:0:4", "1::2:3:0:0:4"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ])("%s is spelled %s", (text, canonical) => {
    expect(canonicalIp(text)).toBe(canonical);
  });

  it.each([
    "",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.0.0.01",
    "256.0.0.1",
    "1.2.3.4.",
    " 1.2.3.4",
    "1.2.3.4\n",
    "1.2.3.4\0",
    "\uff11.2.3.4",
    "1\uff0e2.3.4",
    "[::1]",
    "::1%lo",
    "fe80::1%25eth0",
    "1::2::3",
    ":::",
    "12345::",
    "::ffff:01.2.3.4",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "::/0",
    "localhost",
  ])("is not %j", (text) => {
    expect(canonicalIp(text)).toBeUndefined();
  });

  it("is spelled as a URL spells it, for any IPv6 address that is not IPv4-mapped", () => {
    fc.assert(
      fc.property(fc.ipV6(), (ip) => {
        const canonical = canonicalIp(ip)!;
        fc.pre(canonical.includes(":"));
        expect(`[${canonical}]`).toBe(new URL(`http://[${ip}]/`).hostname);
      }),
    );
  });

  it("does not change when it is spelled again, and any text is read without throwing", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.ipV4(), fc.ipV6(), fc.string(), fc.stringMatching(/^[0-9a-f:.%]{1,24}$/)),
        (text) => {
          const canonical = canonicalIp(text);
          expect(canonical === undefined ? undefined : canonicalIp(canonical)).toBe(canonical);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("a DNS name", () => {
  it.each([
    ["Example.ORG", "example.org"],
    ["example.org.", "example.org"],
    ["localhost", "localhost"],
    ["node_1.my-farm.example", "node_1.my-farm.example"],
    ["xn--bcher-kva.example", "xn--bcher-kva.example"],
    [`${"a".repeat(63)}.example`, `${"a".repeat(63)}.example`],
  ])("%s is spelled %s", (text, name) => {
    expect(canonicalDnsName(text)).toBe(name);
  });

  it.each([
    "",
    ".",
    "a..b",
    "example.org..",
    ".example",
    "-a.example",
    "a-.example",
    "127.1",
    "0x7f.1",
    "1.2.3.4",
    "a.0x7f",
    "2130706433",
    "a b",
    "a/b",
    "a:b",
    "a@b",
    "a%2eb",
    "a\0.example",
    "a.example\n",
    "bücher.example",
    "wor\u212A.example",
    `${"a".repeat(64)}.example`,
    `${"a.".repeat(127)}example`,
  ])("is not %j", (text) => {
    expect(canonicalDnsName(text)).toBeUndefined();
  });
});

describe("a port", () => {
  it.each([
    ["1", 1],
    ["8088", 8088],
    ["08088", 8088],
    ["65535", 65_535],
  ])("%s is %d", (text, port) => {
    expect(parsePort(text)).toBe(port);
  });

  it.each(["", "0", "65536", "100000", "-1", "+1", "1.0", "1e3", "0x50", " 80", "80 ", "80\n", "\uff18088"])(
    "is not %j",
    (text) => {
      expect(parsePort(text)).toBeUndefined();
    },
  );
});

describe("a typed address", () => {
  it.each([
    ["203.0.113.7:8088", "203.0.113.7", 8088],
    ["203.0.113.7", "203.0.113.7", undefined],
    ["nodes/203.0.113.7:8088", "203.0.113.7", 8088],
    ["[2001:DB8::1]:8088", "2001:db8::1", 8088],
    ["[2001:db8::1]", "2001:db8::1", undefined],
    ["2001:db8::1", "2001:db8::1", undefined],
    ["nodes/[::ffff:203.0.113.7]:1", "203.0.113.7", 1],
    ["Node.Example:65535", "node.example", 65_535],
    ["node.example.", "node.example", undefined],
    // Nobody can tell a port here: the text is an IPv6 address.
    ["2001:db8::1:8088", "2001:db8::1:8088", undefined],
  ])("%s names host %s and port %p", (text, host, port) => {
    expect(parseTypedAddress(text)).toEqual({ host, port });
  });

  it.each([
    "",
    ":",
    ":8088",
    "nodes/",
    "nodes/nodes/203.0.113.7",
    "203.0.113.7:",
    "203.0.113.7:0",
    "203.0.113.7:65536",
    "203.0.113.7:80:80",
    "[203.0.113.7]:80",
    "[node.example]:80",
    "[]:80",
    "[::1",
    "::1]:80",
    "[::1]80",
    "[[::1]]:80",
    "[fe80::1%eth0]:80",
    "http://node.example",
    "node.example/path",
    "user@node.example",
    "203.0.113.7:80\n",
    " 203.0.113.7:80",
  ])("is not %j", (text) => {
    expect(parseTypedAddress(text)).toBeUndefined();
  });

  it("reads back what addressKey and nodeName write, for any address", () => {
    fc.assert(
      fc.property(anyHost, anyPort, (host, port) => {
        expect(parseTypedAddress(addressKey({ host, port }))).toEqual({ host, port });
        expect(parseTypedAddress(nodeName({ host, port }))).toEqual({ host, port });
      }),
    );
  });

  it("is told from a name by being an IP literal", () => {
    const isLiteral = ["203.0.113.7", "2001:db8::1", "node.example"].map((host) =>
      isIpLiteral({ host, port: 1 }),
    );
    expect(isLiteral).toEqual([true, true, false]);
  });
});

describe("a range of addresses", () => {
  it.each([
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["203.0.113.7", "203.0.113.7/32"],
    ["203.0.113.7/32", "203.0.113.7/32"],
    ["FD00::/8", "fd00::/8"],
    ["2001:0DB8:0::/32", "2001:db8::/32"],
    ["::1", "::1/128"],
    ["::/0", "::/0"],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
    ["::ffff:127.0.0.1", "127.0.0.1/32"],
    ["::ffff:0:0/96", "0.0.0.0/0"],
  ])("%s is spelled %s", (text, canonical) => {
    expect(formatCidr(parseCidr(text))).toBe(canonical);
  });

  it.each([
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["203.0.113.7/31", "203.0.113.6/31"],
    ["1.2.3.4/0", "0.0.0.0/0"],
    ["2001:db8::1/32", "2001:db8::/32"],
    ["fe80::1/10", "fe80::/10"],
    ["::ffff:10.1.2.3/104", "::ffff:a00:0/104"],
  ])("%s is refused, and the message names %s", (text, corrected) => {
    expect(() => parseCidr(text)).toThrow(RangeError);
    expect(() => parseCidr(text)).toThrow(
      `${JSON.stringify(text)} names an address inside its range; the range is ${corrected}`,
    );
    expect(formatCidr(parseCidr(corrected))).toBeDefined();
  });

  it.each([
    "",
    "/",
    "/8",
    "10/8",
    "10.0.0/24",
    "10.0.0.0/",
    "10.0.0.0/08",
    "10.0.0.0/-1",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/8/8",
    "10.0.0.0/255.0.0.0",
    "fe80::%eth0/10",
    "example.org/8",
    "localhost",
    "[::1]/128",
    " 10.0.0.0/8",
    "10.0.0.0/8\n",
    "*",
  ])("is not %j, and the message names it", (text) => {
    expect(() => parseCidr(text)).toThrow(RangeError);
    expect(() => parseCidr(text)).toThrow(JSON.stringify(text));
  });
});
