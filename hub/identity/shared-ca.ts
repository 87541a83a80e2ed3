import { fingerprintOf } from '@fso/shared/protocol';
import { ConfigError } from '@fso/shared/runtime';
import type { Records } from '../ledger/index.ts';
import { type Authority, parseCas } from './authority.ts';

/**
 * Hubs on one database have one CA: an agent that enrols at one would be refused by another. The CA that follows another one carries that
 * one behind it for a time (docs/enrolment.md), so it is known by that.
 *
 * @throws ConfigError that says what to do
 */
export const agreeOnAuthority = async (records: Records, { bundle, fingerprint }: Authority): Promise<void> => {
  const trusted = parseCas(bundle).map(fingerprintOf);
  const agreed = await records.update('agent-ca', 'fingerprint', (before) =>
    typeof before === 'string' && !trusted.includes(before) ? before : fingerprint,
  );
  if (agreed === fingerprint) return;
  throw new ConfigError([
    `FSO_AGENT_CA_CERT_FILE: the CA of the agents (SHA-256 ${fingerprint}) is another one than this database knows (${String(agreed)}): ` +
      'give all hubs on it the same one, or put the old certificate behind the new one in the file',
  ]);
};
