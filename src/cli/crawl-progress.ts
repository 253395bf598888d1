import type { UpdateIpTableResponse } from "../gen/p2prc/client/v1/ip_table_pb.js";

/** Shows a crawl while it runs. Every event carries where its hop stands: nothing is counted here. */
export interface CrawlProgressView {
  show(event: UpdateIpTableResponse): void;
  /** Leaves the terminal as it was found. Needed after a failure as well. */
  end(): void;
}
