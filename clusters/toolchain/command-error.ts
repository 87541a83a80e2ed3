/** Error that a user can act on: its message is complete, and is shown without a stack. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}
