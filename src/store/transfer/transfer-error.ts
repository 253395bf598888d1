/** A state was not moved. The message is for the person who moves it. */
export class TransferError extends Error {
  override readonly name = "TransferError";
}
