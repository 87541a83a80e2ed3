import { createPrivateKey, type X509Certificate } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { certificatesIn, fingerprintOf, identityUri } from '@fso/shared/protocol';
import { ConfigError, messageOf, readIfThere, syncFolder, writeDurably } from '@fso/shared/runtime';
import type { KeyedStore } from '../ledger/index.ts';
import { createCa, issue, issueServer, KEY_RULE, type KeyPair, SERIAL_NUMBER, signingAlgorithmOf, type Validity } from './x509.ts';

/** Content of an agent's certificate to issue. */
export interface AgentCertificate extends Validity {
  readonly cluster: string;
  readonly generation: number;
  readonly serial: string;
  /** DER of the SubjectPublicKeyInfo. */
  readonly publicKey: ArrayBuffer;
}

const isInForce = ({ validFromDate, validToDate }: X509Certificate, at: Date): boolean => validFromDate <= at && at < validToDate;

const YEAR_MS = 365 * 24 * 3600 * 1000;
const CA_VALID_MS = 10 * YEAR_MS;
/**
 * Time by which the certificates of the CA and the hub are backdated, in milliseconds, so that
 * machines with a slow clock accept them.
 */
export const HUB_BACKDATE_MS = 3600 * 1000;

/** Parses CA certificates in PEM. @throws Error if there is none, or one is not a CA */
export const parseCas = (pem: string): readonly [X509Certificate, ...X509Certificate[]] => {
  const [first, ...others] = certificatesIn(pem);
  if (first === undefined) throw new Error('there is no certificate in the file');
  for (const certificate of [first, ...others]) if (!certificate.ca) throw new Error(`${certificate.subject} is no CA`);
  return [first, ...others];
};

const checkKey = (certificate: X509Certificate, key: string): void => {
  const privateKey = createPrivateKey(key);
  if (!certificate.checkPrivateKey(privateKey)) throw new Error('the key does not belong to the first certificate');
  if (signingAlgorithmOf(privateKey) === undefined) throw new Error(`the key must be ${KEY_RULE}`);
};

/**
 * Creates a CA from PEM. All certificates are trusted, so that one CA can replace another; the
 * first one signs.
 *
 * @throws Error that describes the mismatch
 */
export const createAuthority = (pair: KeyPair) => {
  const cas = parseCas(pair.cert);
  const [first] = cas;
  checkKey(first, pair.key);
  const signer: KeyPair = { cert: first.toString(), key: pair.key };
  return {
    /** All trusted CA certificates in PEM, the signing one first. */
    bundle: cas.map((certificate) => certificate.toString()).join(''),
    /** SHA-256 of the signing certificate in DER, hex. */
    fingerprint: fingerprintOf(first),
    /** Expiry of the signing certificate. */
    expires: first.validToDate,
    /** Issues an agent's certificate. @returns PEM */
    issueAgent: ({ cluster, generation, serial, publicKey, notBefore, notAfter }: AgentCertificate): Promise<string> =>
      issue(signer, {
        notBefore,
        notAfter,
        serial,
        publicKey,
        subject: [{ O: ['fso-agent'] }, { [SERIAL_NUMBER]: [String(generation)] }],
        usage: 'clientAuth',
        names: [{ type: 'url', value: identityUri(cluster) }],
      }),
    issueServer: (hosts: readonly string[], validity: Validity): Promise<KeyPair> => issueServer(signer, hosts, validity),
    /**
     * Whether one of the CA certificates valid at a time issued a certificate. The dates of that
     * certificate are not checked.
     */
    hasIssued: (certificate: X509Certificate, at: Date): boolean =>
      cas.some((ca) => isInForce(ca, at) && certificate.checkIssued(ca) && certificate.verify(ca.publicKey)),
  };
};

/** CA that issues the certificates of agents. */
export type Authority = ReturnType<typeof createAuthority>;

const CA_CERT = 'ca.crt';
const CA_KEY = 'ca.key';
/** Name of an empty file that requests a new CA. It is removed once the database has the new CA. */
const NEW_CA = 'new-ca';

/** Options of openAuthority: origin and records of the CA of agents. */
export interface AuthorityOptions {
  /** Folder of the hub's own CA. */
  readonly folder: string;
  /** CA of the operator; undefined: the hub uses its own. */
  readonly given: KeyPair | undefined;
  readonly now: Date;
  /**
   * Records of the ledger, which stores the fingerprint of the CA: agents may pin it without ever
   * enrolling.
   */
  readonly records: KeyedStore;
}

interface FoundPair {
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

const isThere = async (path: string): Promise<boolean> => (await readIfThere(path)) !== undefined;

/** Returns the paths of the hub's own CA. @param dataDir data folder of the hub */
export const ownCaPaths = (dataDir: string): { readonly folder: string; readonly cert: string; readonly key: string } => {
  const folder = join(dataDir, 'identity');
  return { folder, cert: join(folder, CA_CERT), key: join(folder, CA_KEY) };
};

/** Creates a CA of agents. */
export const makeAgentCa = (now: Date): Promise<KeyPair> => {
  const validity = { notBefore: new Date(now.getTime() - HUB_BACKDATE_MS), notAfter: new Date(now.getTime() + CA_VALID_MS) };
  return createCa(`FSO agents ${now.toISOString()}`, validity);
};

/** Renames a file that the hub no longer uses. */
const putAside = async (path: string, now: Date): Promise<void> => {
  if (await isThere(path)) await rename(path, `${path}.${now.toISOString().replaceAll(':', '-')}`);
};

const newCaAdvice = (folder: string): string =>
  `To begin with a new CA, and enrol every agent again, make an empty file ${join(folder, NEW_CA)} and start the hub`;

/** Kind and name of the record with the CA's fingerprint. */
const RECORD = ['agent-ca', 'fingerprint'] as const;

/**
 * Checks that a new CA may be created. A certificate cannot be recreated from its key, and agents
 * trust only that certificate. A key without certificate, while the ledger knows no CA, is left
 * from an interrupted start: the key is written first.
 *
 * @throws ConfigError that describes the remedy
 */
const assertReplaceable = ({ folder, records }: AuthorityOptions, { cert, key }: FoundPair): void => {
  const known = records.get(...RECORD);
  if (cert === undefined && known === undefined) return;
  const missing = [cert === undefined ? CA_CERT : '', key === undefined ? CA_KEY : ''].filter((name) => name !== '');
  const back = cert === undefined ? `, ${CA_CERT} also from what an agent has as FSO_HUB_CA_FILE` : '';
  const name = typeof known === 'string' ? ` (SHA-256 ${known})` : '';
  throw new ConfigError([
    `FSO_DATA_DIR: the CA that agents trust${name} is not whole in ${folder}: ${missing.join(' and ')} missing. Put back what is missing, from a backup or from another hub on the same database${back}. ${newCaAdvice(folder)}`,
  ]);
};

const makeCa = async (folder: string, now: Date): Promise<Authority> => {
  const [certPath, keyPath] = [join(folder, CA_CERT), join(folder, CA_KEY)];
  for (const path of [certPath, keyPath]) await putAside(path, now);
  const made = await makeAgentCa(now);
  await writeDurably(keyPath, made.key);
  await writeDurably(certPath, made.cert);
  return createAuthority(made);
};

/** Opens the hub's own CA, which is created at the first start. */
const keepAuthority = async (options: AuthorityOptions): Promise<Authority> => {
  const { folder, now } = options;
  const [cert, key] = [await readIfThere(join(folder, CA_CERT)), await readIfThere(join(folder, CA_KEY))];
  if (cert === undefined || key === undefined) {
    assertReplaceable(options, { cert, key });
    return makeCa(folder, now);
  }
  try {
    return createAuthority({ cert, key });
  } catch (error) {
    throw new ConfigError([`FSO_DATA_DIR: the CA of the agents in ${folder} cannot be used: ${messageOf(error)}`]);
  }
};

/**
 * Ensures that all hubs on one database use the same CA: an agent that enrolled at one would be
 * refused by another. The bundle of a new CA includes the previous one for a time
 * (docs/operate/run-the-hub.md#the-ca-of-the-agents), by which it is recognized.
 */
const agreeOn = async (
  { bundle, fingerprint }: Authority,
  { folder, given, records }: AuthorityOptions,
  isAskedFor: boolean,
): Promise<void> => {
  const trusted = parseCas(bundle).map(fingerprintOf);
  const agreed = await records.update(...RECORD, (before) =>
    isAskedFor || typeof before !== 'string' || trusted.includes(before) ? fingerprint : before,
  );
  if (agreed === fingerprint) return;
  const what = `(SHA-256 ${fingerprint}) is another one than this database knows (${String(agreed)})`;
  throw new ConfigError([
    given === undefined
      ? `FSO_DATA_DIR: the CA of the agents in ${folder} ${what}: put that one there, from a backup or from another hub on the database. ${newCaAdvice(folder)}`
      : `FSO_AGENT_CA_CERT_FILE: the CA of the agents ${what}: give all hubs on it the same one, or put the old certificate behind the new one in the file`,
  ]);
};

/**
 * Opens the CA of agents: the operator's, or the hub's own.
 *
 * @throws ConfigError if the existing files cannot be used. A CA is never replaced silently,
 * because no agent would trust the new one
 */
export const openAuthority = async (options: AuthorityOptions): Promise<Authority> => {
  const { folder, given, now } = options;
  if (given !== undefined) {
    const authority = createAuthority(given);
    await agreeOn(authority, options, false);
    return authority;
  }
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const asked = join(folder, NEW_CA);
  const isAskedFor = await isThere(asked);
  const authority = isAskedFor ? await makeCa(folder, now) : await keepAuthority(options);
  await agreeOn(authority, options, isAskedFor);
  if (isAskedFor) {
    await rm(asked);
    await syncFolder(folder);
  }
  return authority;
};
