import { createHash } from 'node:crypto';
import { type Clock, dropOldest } from '@fso/shared/runtime';
import type { Grant } from '../principal.ts';
import { createSealedBox, newSecret, sameSecret } from '../secrets.ts';
import type { Sessions } from '../sessions.ts';

/**
 * Request of the command line for a login in the browser, like that of a native application (RFC
 * 8252, RFC 7636).
 */
export interface CliRequest {
  /** Port of 127.0.0.1 on which the command waits. */
  readonly port: number;
  /** S256 challenge of a secret that only the command has. */
  readonly challenge: string;
  /** Opaque value, returned unchanged. */
  readonly state: string;
}

type LoginRequest = CliRequest & { readonly session: string };

interface Code {
  readonly challenge: string;
  readonly grant: Grant;
  readonly until: number;
}

const FORM_MS = 600_000;
const CODE_MS = 60_000;
const MAX_CODES = 1000;

const challengeOf = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url');

/**
 * Creates the login of the command line. It gets a session by a code that is valid once, and only
 * with the command's secret.
 */
export const createCliLogin = (sessions: Sessions, clock: Clock) => {
  const box = createSealedBox<LoginRequest>(clock, FORM_MS);
  const codes = new Map<string, Code>();
  const now = (): number => clock.now().getTime();

  return {
    /**
     * @returns the value that the form has to return; valid for this session and for a limited time
     */
    ask: (request: CliRequest, grant: Grant): Promise<string> => box.close({ ...request, session: grant.key }),
    /**
     * @returns the URL to which the browser brings the code; undefined if the form is not of this
     * session, or too old
     */
    approve: async (form: string | undefined, grant: Grant): Promise<string | undefined> => {
      const asked = await box.open(form);
      if (asked === undefined || asked.session !== grant.key) return undefined;
      const code = newSecret();
      codes.set(code, { challenge: asked.challenge, grant, until: now() + CODE_MS });
      dropOldest(codes, MAX_CODES);
      return `http://127.0.0.1:${asked.port}/?${new URLSearchParams({ code, state: asked.state })}`;
    },
    /**
     * @returns the id of a session for the command; undefined if the code is unknown, used, too old
     * or of another command
     */
    exchange: async (code: string, verifier: string): Promise<string | undefined> => {
      const known = codes.get(code);
      // A code is valid for one attempt, by any caller.
      codes.delete(code);
      if (known === undefined || now() >= known.until || !sameSecret(known.challenge, challengeOf(verifier))) return undefined;
      const { principal, expiresAt, source, stillHolds } = known.grant;
      if (!(await stillHolds())) return undefined;
      // Ends with the original login, because its roles were determined then.
      return sessions.begin(principal, { byCookie: false, endsAt: expiresAt ?? undefined, source });
    },
  };
};
