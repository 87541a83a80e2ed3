/** Something about the ledger's database that people can put right; the message says what. */
export class LedgerError extends Error {
  override readonly name = 'LedgerError';
}
