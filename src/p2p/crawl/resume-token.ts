import { P2pError } from "../errors.js";

const tokenVersion = "c1";

/** Spells where a reader stands: opaque to callers. */
export const writeResumeToken = (crawl: string, sequence: number): string =>
  Buffer.from([tokenVersion, crawl, sequence].join(" ")).toString("base64url");

/** Reads a token. @throws {P2pError} INVALID_RESUME_TOKEN: it is none of ours */
export function readResumeToken(token: string): { readonly crawl: string; readonly sequence: number } {
  const text = Buffer.from(token, "base64url").toString();
  const [version, crawl = "", sequence = "", ...rest] = text.split(" ");
  const isOurs = version === tokenVersion && /^[0-9]{1,15}$/.test(sequence) && rest.length === 0;
  if (!isOurs || Buffer.from(text).toString("base64url") !== token) {
    throw new P2pError("INVALID_RESUME_TOKEN", "resume_token is not one that UpdateIpTable returned", {
      field: "resume_token",
    });
  }
  return { crawl, sequence: Number(sequence) };
}

/** Makes the error of a token whose crawl, or whose place in it, is not kept any more. */
export const resumeExpired = (): P2pError =>
  new P2pError("RESUME_EXPIRED", "the crawl of this resume_token is not kept any more");
