/** What requests have in common. */
import type { Duration } from "@bufbuild/protobuf/wkt";

const defaultPageSize = 100;

/** Reads the fields of a request for a page; 0 = 100. */
export const fromPage = (request: {
  readonly pageSize: number;
  readonly pageToken: string;
  readonly filter: string;
  readonly orderBy: string;
}): { pageSize: number; pageToken: string; filter: string; orderBy: string } => ({
  pageSize: request.pageSize === 0 ? defaultPageSize : request.pageSize,
  pageToken: request.pageToken,
  filter: request.filter,
  orderBy: request.orderBy,
});

export const toMilliseconds = ({ seconds, nanos }: Duration): number => Number(seconds) * 1_000 + nanos / 1e6;
