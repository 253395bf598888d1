import { inspect } from "node:util";

/** Where Redis is and how to log in. Only `reveal` gives the password: whatever prints it shows none. */
export class RedisUrl {
  readonly #url: URL;

  constructor(url: URL) {
    this.#url = url;
    Object.freeze(this);
  }

  get hasPassword(): boolean {
    return this.#url.password !== "";
  }

  withPassword(password: string): RedisUrl {
    const url = new URL(this.#url);
    url.password = encodeURIComponent(password);
    return new RedisUrl(url);
  }

  /** With the password. */
  reveal(): string {
    return this.#url.href;
  }

  toString(): string {
    const url = new URL(this.#url);
    url.password = "";
    return url.href;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** @throws {RangeError} it is none, with the reason */
export function parseRedisUrl(text: string): RedisUrl {
  if (!/^rediss?:\/\//i.test(text) || !URL.canParse(text)) throw new RangeError("that is no URL of Redis");
  const url = new URL(text);
  if (url.hostname === "") throw new RangeError("the URL names no host");
  if (url.port === "0") throw new RangeError("nothing listens on port 0");
  if (url.search !== "" || url.hash !== "") throw new RangeError("the URL carries options");
  if (!/^(\/[0-9]{0,5})?$/.test(url.pathname)) throw new RangeError("the database is no number");
  if (!isDecodable(url.username) || !isDecodable(url.password))
    throw new RangeError("a % in the user or the password is written %25");
  return new RedisUrl(url);
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** Spells a name that gateways of one state share. @throws {RangeError} it is none */
export function parseNamespace(text: string): string {
  if (!/^[a-z0-9._-]{1,64}$/i.test(text)) throw new RangeError("that is no such name");
  return text;
}
