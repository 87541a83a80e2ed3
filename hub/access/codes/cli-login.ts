import { createHash } from 'node:crypto';
import { type Clock, dropOldest } from '@fso/shared/runtime';
import type { Grant } from '../principal.ts';
import { createSealedBox, newSecret, sameSecret } from '../secrets.ts';
import type { Sessions } from '../sessions.ts';

/**
 * Request of the command line for a login in the browser, as by a native application (RFC 8252, RFC
 * 7636).
 */
export interface CliRequest {
  /** Port of 127.0.0.1 on which the command waits. */
  readonly port: number;
  /** S256 of a secret that only the command has. */
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
 * Hands a session to the command line, by a code that is good once and only with the command's
 * secret.
 */
export const createCliLogin = (sessions: Sessions, clock: Clock) => {
  const box = createSealedBox<LoginRequest>(clock, FORM_MS);
  const codes = new Map<string, Code>();
  const now = (): number => clock.now().getTime();

  return {
    /** @returns what the form has to bring back: it is good for this session, and for a while */
    ask: (request: CliRequest, grant: Grant): Promise<string> => box.close({ ...request, session: grant.key }),
    /**
     * @returns where the browser brings the code; undefined for a form that is not of this session,
     * or too old
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
     * @returns the id of a session for the command; undefined for a code that is unknown, used, too
     * old or another one's
     */
    exchange: async (code: string, verifier: string): Promise<string | undefined> => {
      const known = codes.get(code);
      // A code is good for one try, by any caller.
      codes.delete(code);
      if (known === undefined || now() >= known.until || !sameSecret(known.challenge, challengeOf(verifier))) return undefined;
      const { principal, expiresAt, source, stillHolds } = known.grant;
      if (!(await stillHolds())) return undefined;
      // Not beyond the login that it came from: that is when the roles were asked for.
      return sessions.begin(principal, { byCookie: false, endsAt: expiresAt ?? undefined, source });
    },
  };
};
