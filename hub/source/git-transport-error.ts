/** An answer that is not one of the Git protocol, or one that is not taken; the message is for people. */
export class GitTransportError extends Error {
  override readonly name = 'GitTransportError';
}
