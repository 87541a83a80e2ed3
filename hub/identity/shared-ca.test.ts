import { expect, it } from 'vitest';
import { createMemoryLedger } from '../ledger/index.ts';
import { fixedClock } from '../ledger/testing/ledger.ts';
import { createAuthority } from './authority.ts';
import { agreeOnAuthority } from './shared-ca.ts';
import { createCa } from './x509.ts';

const make = (name: string) => createCa(name, { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2036-01-01T00:00:00Z') });

it('hubs on one database have one CA, or one that follows on it', async () => {
  const { records } = createMemoryLedger({ clock: fixedClock });
  const [old, next] = [await make('old'), await make('next')];
  const agree = (certificates: readonly string[], key: string) =>
    agreeOnAuthority(records, createAuthority({ cert: certificates.join('\n'), key }));
  await agree([old.cert], old.key);
  await agree([old.cert], old.key);
  await expect(agree([next.cert], next.key)).rejects.toThrow(/is another one than this database knows .*give all hubs on it the same one/);
  // As docs/enrolment.md says: behind the old one, before it, alone.
  await agree([old.cert, next.cert], old.key);
  await agree([next.cert, old.cert], next.key);
  await agree([old.cert, next.cert], old.key);
  await agree([next.cert, old.cert], next.key);
  await agree([next.cert], next.key);
  await expect(agree([old.cert], old.key)).rejects.toThrow(/is another one/);
});
