import type { EnrolmentRefusal } from '@fso/shared/protocol';

/** Machine-readable reason why an enrolment or renewal is refused. */
export type RefusalCode = EnrolmentRefusal['code'];

/** HTTP status of each refusal. */
export const REFUSAL_STATUS: Readonly<Record<RefusalCode, number>> = {
  'bad-request': 400,
  'csr-refused': 400,
  'token-unknown': 401,
  'token-used': 401,
  'token-expired': 401,
  'not-authorized': 401,
  revoked: 403,
  superseded: 403,
  'too-many-requests': 429,
  unavailable: 503,
  internal: 500,
};

/** Refusal of an agent's request. The message is for the agent's log. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;
  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}
