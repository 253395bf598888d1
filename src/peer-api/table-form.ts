import FormData from "form-data";
import type { PeerRow, TableForm } from "./contract.js";
import { rowsKey, toWireRow } from "./ip-table-rows.js";

/**
 * Wraps rows as the multipart form that POST /IpTable takes: one file part named `json`. Built as one buffer, so that
 * every request of a crawl sends the same bytes with a Content-Length.
 */
export function buildTableForm(rows: readonly PeerRow[]): TableForm {
  const form = new FormData();
  const table = JSON.stringify({ [rowsKey]: rows.map(toWireRow) });
  form.append("json", Buffer.from(table), { filename: "ip_table.json", contentType: "application/json" });
  return { contentType: form.getHeaders()["content-type"] as string, body: form.getBuffer() };
}
