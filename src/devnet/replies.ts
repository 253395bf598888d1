/** Answers as gin writes them. Source: shared protocol notes, "Server routes"; sample `error-bodies.json`. */

export interface Reply {
  readonly status: number;
  /** Absent as in Go's answers without a body. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export const jsonType = "application/json; charset=utf-8";
export const textType = "text/plain; charset=utf-8";

export const jsonReply = (json: string): Reply => ({
  status: 200,
  contentType: jsonType,
  body: Buffer.from(json),
});

export const textReply = (status: number, text: string): Reply => ({
  status,
  contentType: textType,
  body: Buffer.from(text),
});

/** Source: shared protocol notes, "Measured on a real node": GET /50. */
export const speedFileBytes = 52_428_800;
export const speedFileType = "application/octet-stream";

export const fileReply = (body: Buffer): Reply => ({ status: 200, contentType: speedFileType, body });

/** What Go's file server says of a configured file that is not there; unlike gin's 404 with a charset and a line end. */
export const missingFile = textReply(404, "404 page not found\n");

/** gin's own answer to an unknown route and to a wrong method; the only text without a charset. */
export const notFound: Reply = {
  status: 404,
  contentType: "text/plain",
  body: Buffer.from("404 page not found"),
};

/** What gin leaves when a handler panics before it wrote anything. */
export const panicked: Reply = { status: 500, body: Buffer.alloc(0) };
