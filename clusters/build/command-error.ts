/** An error that a person can act on: its message is the whole story, a stack would only hide it. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}
