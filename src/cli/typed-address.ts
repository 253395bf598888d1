import { isIPv6 } from "node:net";
import { UsageError } from "./errors.js";

/** Joins address and port; without a port the gateway finds one. @throws {UsageError} there are two ports */
export function withPort(host: string, port: string | undefined): string {
  const bracketed = isIPv6(host) ? `[${host}]` : host;
  if (port === undefined) return bracketed;
  if (!/^[0-9]{1,5}$/.test(port)) throw new UsageError(`-p "${port}": not a port`);
  if (/^(?:\[[^\]]*\]|[^:[\]]+):/.test(bracketed))
    throw new UsageError(`"${host}" has a port, and -p ${port} names another`);
  return `${bracketed}:${port}`;
}
