import { describe, expect, it } from "@jest/globals";
import { createOriginPolicy, isAllowed } from "../../src/gateway/origin-policy.js";

const APP = "https://app.example.org";

describe("the origin policy", () => {
  const policy = createOriginPolicy([APP, "http://localhost:5173"], "Gateway.Internal");

  it.each([
    ["a program", "POST", { host: "any.name:8089" }],
    ["a program on HTTP/2", "POST", { ":authority": "any.name" }],
    ["a configured origin", "POST", { host: "127.0.0.1", origin: APP }],
    ["a page from our address", "POST", { host: "127.0.0.1:8089", origin: "http://127.0.0.1:8089" }],
    ["a page from our IPv6 address", "POST", { host: "[::1]:8089", origin: "http://[::1]:8089" }],
    ["a page from localhost", "POST", { host: "localhost:8089", origin: "http://localhost:8089" }],
    ["a page behind TLS at a configured name", "POST", { host: "app.example.org", origin: APP }],
    ["a GET to an address", "GET", { host: "10.0.0.1:8089" }],
    ["a GET to the name we listen on", "GET", { host: "gateway.internal:8089" }],
    ["a GET to the host of a configured origin", "GET", { host: "app.example.org" }],
    ["a GET typed into the address bar", "GET", { host: "127.0.0.1", "sec-fetch-site": "none" }],
  ])("lets %s in", (_, method, headers) => {
    expect(isAllowed(policy, method, headers)).toBe(true);
  });

  it.each([
    ["a foreign origin", "POST", { host: "127.0.0.1", origin: "https://evil.example" }],
    ["a foreign port of our host", "POST", { host: "127.0.0.1:8089", origin: "http://127.0.0.1:9000" }],
    ["an opaque origin", "POST", { host: "127.0.0.1", origin: "null" }],
    ["a rebound name", "POST", { host: "evil.example", origin: "http://evil.example" }],
    ["a rebound name on HTTP/2", "GET", { ":authority": "evil.example" }],
    ["a host that is none", "GET", { host: "[" }],
    ["a GET without a host", "GET", {}],
    ["a foreign page's script tag", "GET", { host: "127.0.0.1", "sec-fetch-site": "cross-site" }],
    ["a neighbour's script tag", "GET", { host: "127.0.0.1", "sec-fetch-site": "same-site" }],
    [
      "an origin that only begins like a configured one",
      "POST",
      { host: "127.0.0.1", origin: `${APP}.evil.example` },
    ],
  ])("keeps %s out", (_, method, headers) => {
    expect(isAllowed(policy, method, headers)).toBe(false);
  });

  it.each(["*", "null", "app.example.org", "https://app.example.org/", "HTTPS://APP.EXAMPLE.ORG"])(
    "refuses %s as a configured origin, since no browser sends it so",
    (origin) => {
      expect(() => createOriginPolicy([origin], undefined)).toThrow("is not an origin");
    },
  );
});
