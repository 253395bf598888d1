/** What each setting's value is, once it is read. The reason for a refusal is the issue's message. */
import { z } from "zod";
import { canonicalIp, formatCidr, parseCidr } from "../peer-api/address.js";
import { type ListenAddress, parseListenAddress } from "./listen.js";
import { parseNamespace, parseRedisUrl } from "./redis-url.js";

/** How the own public address is learnt: asked at a URL (JSON with the field `query`), told, or not at all. */
export type PublicIpSource =
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "address"; readonly address: string }
  | { readonly kind: "off" };

/** Spells a source as it is configured. */
export function publicIpText(publicIp: PublicIpSource): string {
  switch (publicIp.kind) {
    case "url":
      return publicIp.url;
    case "address":
      return publicIp.address;
    case "off":
      return "off";
  }
}

/** pino's names, from few lines to many. */
export const logLevels = ["silent", "fatal", "error", "warn", "info", "debug", "trace"] as const;
export type LogLevel = (typeof logLevels)[number];

/** A schema out of a function that returns the value or throws a RangeError with the reason. */
function readBy<T>(read: (text: string) => T) {
  return z.string().transform((text, context): T => {
    try {
      return read(text);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      context.addIssue({ code: "custom", message: error.message });
      return z.NEVER;
    }
  });
}

function readListen(text: string): ListenAddress {
  const listen = parseListenAddress(text);
  if (listen === undefined) throw new RangeError("that is no HOST:PORT");
  return listen;
}

function readPublicIp(text: string): PublicIpSource {
  if (text === "off") return { kind: "off" };
  const address = canonicalIp(text);
  if (address !== undefined) return { kind: "address", address };
  if (!URL.canParse(text)) throw new RangeError("that is neither a URL nor an IP address");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new RangeError(`the URL begins with ${url.protocol}, not with http: or https:`);
  }
  if (url.username !== "" || url.password !== "")
    throw new RangeError("the URL carries a user name or password");
  return { kind: "url", url: url.href };
}

function readSeconds(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text) || Number(text) > 86_400)
    throw new RangeError("that is no whole number of seconds, 0..86400");
  return Number(text);
}

function readOrigin(text: string): string {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text) || text.includes("*")) {
    throw new RangeError("that is no exact origin of an http or https page");
  }
  // Browsers send the canonical spelling and the server compares text: another spelling would never match.
  const { origin } = new URL(text);
  if (origin !== text) throw new RangeError(`a browser spells the origin ${origin}`);
  return text;
}

const path = z
  .string()
  .min(1, "the path is empty")
  .refine((text) => !text.includes("\0"), "the path contains a NUL character");

export const schemas = {
  path,
  listen: readBy(readListen).readonly(),
  cidrs: z.array(readBy((text) => formatCidr(parseCidr(text)))).readonly(),
  publicIp: readBy(readPublicIp).readonly(),
  isOn: z.boolean(),
  seconds: readBy(readSeconds),
  redis: readBy(parseRedisUrl),
  namespace: readBy(parseNamespace),
  origins: z.array(readBy(readOrigin)).readonly(),
  logLevel: z.enum(logLevels),
};
