/** Reads the rows of an uploaded table for the ledger. */

export type UploadReader = (upload: Buffer) => readonly unknown[] | null;

/**
 * A crawl sends the same bytes to every node: they are parsed once, and the ledger's calls share the rows.
 *
 * @returns a reader that gives null for what is no table, an empty list for a table without rows
 */
export function createUploadReader(): UploadReader {
  let lastUpload: Buffer | undefined;
  let lastRows: readonly unknown[] | null = null;
  return (upload) => {
    if (lastUpload?.equals(upload) !== true) {
      lastRows = readRows(upload.toString("utf8"));
      // A copy: the upload is a view into a larger body.
      lastUpload = Buffer.from(upload);
    }
    return lastRows;
  };
}

function readRows(text: string): readonly unknown[] | null {
  let table: unknown;
  try {
    table = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof table !== "object" || table === null || !("ip_address" in table)) return null;
  if (table.ip_address === null) return [];
  return Array.isArray(table.ip_address) ? (table.ip_address as readonly unknown[]) : null;
}
