import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { identityUri } from '@fso/shared/protocol';
import { createAuthority } from '../../hub/identity/index.ts';
import { createCa, issue, type KeyPair, newSerial, SERIAL_NUMBER } from '../../hub/identity/x509.ts';
import { type Credential, caOf } from '../harness/enrolment-client.ts';

/** Forged certificates with their keys. */

const HOUR_MS = 3600 * 1000;
const ALIKE: readonly string[] = [
  'eu-1\u0000',
  // Several names as node:crypto formats them, and a name with such characters.
  'eu-1, URI:fso://cluster/eu-1',
  '"eu-1"',
  'eu-1/',
  'eu-1 ',
  ' eu-1',
  'EU-1',
  'eu-1?',
  'eu-1#',
  '%65u-1',
  // Cyrillic е and у, fullwidth e, a non-breaking hyphen, a soft hyphen, a zero width space, a
  // combining mark.
  '\u0435u-1',
  '\u0435\u0443-1',
  '\uff45u-1',
  'eu\u20111',
  'eu\u00ad-1',
  'eu\u200b-1',
  'eu-1\u0301',
];

const validity = () => ({ notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) });

interface Claim {
  readonly names: readonly { readonly type: 'dns' | 'ip' | 'url'; readonly value: string }[];
  readonly generation?: string | readonly string[] | undefined;
  readonly usage?: 'clientAuth' | 'serverAuth';
  readonly lifetime?: { readonly notBefore: Date; readonly notAfter: Date };
}

/** Issues a certificate of a CA with any claims. */
export const forge = async (ca: KeyPair, { names, generation, usage = 'clientAuth', lifetime = validity() }: Claim): Promise<KeyPair> => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const cert = await issue(ca, {
    ...lifetime,
    serial: newSerial(),
    subject: [{ O: ['fso-agent'] }, ...(generation === undefined ? [] : [{ [SERIAL_NUMBER]: [generation].flat() }])],
    publicKey: new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })).buffer,
    usage,
    names,
  });
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
};

/** Issues a certificate like {@link forge}, but by an unknown CA, and returns that CA too. */
export const forgeAlone = async (claim: Claim): Promise<KeyPair & { readonly ca: string }> => {
  const ca = await createCa('nobody', validity());
  return { ...(await forge(ca, claim)), ca: ca.cert };
};

const uri = (value: string) => ({ type: 'url' as const, value });

/**
 * Returns certificates of an attacker, by description: from the hub's own CA, or from another CA
 * with its name.
 */
export const forgeries = async (dataDir: string, victim: string, generation: number): Promise<ReadonlyMap<string, Credential>> => {
  const ca = caOf(dataDir);
  const own: KeyPair = { cert: ca, key: readFileSync(join(dataDir, 'identity', 'ca.key'), 'utf8') };
  const foreign = await createCa(createAuthority(own).fingerprint, validity());
  const current = String(generation);
  const right = { names: [uri(identityUri(victim))], generation: current };
  const past = { notBefore: new Date(Date.now() - 3 * HOUR_MS), notAfter: new Date(Date.now() - HOUR_MS) };
  const made: [string, Promise<KeyPair>][] = [
    ['of another CA', forge(foreign, right)],
    ['self-signed', forge(foreign, right).then(() => foreign)],
    ['of another CA, and expired', forge(foreign, { ...right, lifetime: past })],
    ['of an earlier generation', forge(own, { ...right, generation: String(generation - 1) })],
    ['of a later generation', forge(own, { ...right, generation: String(generation + 1) })],
    ['without a generation', forge(own, { ...right, generation: undefined })],
    ['with a generation that is no number', forge(own, { ...right, generation: `${current}.0` })],
    ['with two generations', forge(own, { ...right, generation: [current, '99'] })],
    ['of a server', forge(own, { ...right, usage: 'serverAuth' })],
    ['with two names', forge(own, { ...right, names: [uri(identityUri('eu')), uri(identityUri(victim))] })],
    ['with a DNS name', forge(own, { ...right, names: [{ type: 'dns', value: victim }] })],
    ['with a name and a DNS name', forge(own, { ...right, names: [uri(identityUri(victim)), { type: 'dns', value: victim }] })],
    ['without a name', forge(own, { ...right, names: [] })],
    ...ALIKE.map((name): [string, Promise<KeyPair>] => [
      `with a name that looks alike: ${JSON.stringify(name)}`,
      forge(own, { ...right, names: [uri(`fso://cluster/${name}`)] }),
    ]),
  ];
  return new Map(await Promise.all(made.map(async ([name, pair]) => [name, { ca, ...(await pair) }] as const)));
};
