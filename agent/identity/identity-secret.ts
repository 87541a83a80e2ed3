import { readFile } from 'node:fs/promises';
import { AGENT_IDENTITY, FIELD_MANAGERS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { type KubeClient, SECRET_KIND, type Secret } from '@fso/shared/kube';
import { parseToken } from '@fso/shared/protocol';
import type { AgentIdentity } from './certificate.ts';

/** Content of the Secret. It leaves the cluster only over the agent's own connection. */
export interface StoredIdentity {
  readonly identity: AgentIdentity | undefined;
  /** Digest of the token that was used to enrol. It distinguishes a spent token from a new one. */
  readonly enrolledWith: string | undefined;
  /** Key and token digest of a pending enrolment, whose response may have been lost. */
  readonly asked: { readonly key: string; readonly token: string } | undefined;
}

const REF = { namespace: SYSTEM_NAMESPACE, name: AGENT_IDENTITY } as const;
const NOTHING: StoredIdentity = { identity: undefined, enrolledWith: undefined, asked: undefined };

const encode = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

const reader =
  ({ data = {} }: Secret) =>
  (key: string): string | undefined => {
    const value = data[key];
    return value === undefined || value === '' ? undefined : Buffer.from(value, 'base64').toString('utf8');
  };

/** Loads the stored identity. @throws KubeApiError, KubeConnectionError */
export const loadIdentity = async (client: KubeClient, signal: AbortSignal): Promise<StoredIdentity> => {
  const secret = await client.get(SECRET_KIND, REF, signal);
  if (secret === undefined) return NOTHING;
  const read = reader(secret);
  const [cert, key, ca] = [read('tls.crt'), read('tls.key'), read('ca.crt')];
  const [askedKey, askedToken] = [read('asked.key'), read('asked.token')];
  return {
    identity: cert === undefined || key === undefined || ca === undefined ? undefined : { cert, key, ca },
    enrolledWith: read('enrolled-with'),
    asked: askedKey === undefined || askedToken === undefined ? undefined : { key: askedKey, token: askedToken },
  };
};

/** Replaces the stored identity. @throws KubeApiError, KubeConnectionError */
export const saveIdentity = async (client: KubeClient, stored: StoredIdentity, signal: AbortSignal): Promise<void> => {
  const { identity, enrolledWith, asked } = stored;
  const entries: readonly [string, string | undefined][] = [
    ['tls.crt', identity?.cert],
    ['tls.key', identity?.key],
    ['ca.crt', identity?.ca],
    ['enrolled-with', enrolledWith],
    ['asked.key', asked?.key],
    ['asked.token', asked?.token],
  ];
  const data = Object.fromEntries(entries.flatMap(([key, value]) => (value === undefined ? [] : [[key, encode(value)]])));
  const body: Secret = { apiVersion: 'v1', kind: 'Secret', metadata: { ...REF }, type: 'Opaque', data };
  await client.apply(SECRET_KIND, body, { fieldManager: FIELD_MANAGERS.identity, force: true }, signal);
};

/**
 * Reads the enrolment token from a file, where a Secret is or will be mounted. Text that is not a
 * token is not quoted.
 *
 * @returns undefined if there is no token now
 * @throws Error if the file holds anything but a token of this cluster, or cannot be read
 */
export const readEnrolToken = async (file: string, cluster: string): Promise<string | undefined> => {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const token = text.trim();
  if (token === '') return undefined;
  const parsed = parseToken(token);
  if (parsed === undefined) throw new Error(`${file} holds no token as "fso clusters token" prints it`);
  if (parsed.cluster !== cluster) throw new Error(`the token in ${file} is for the cluster ${parsed.cluster}, and this is ${cluster}`);
  return token;
};
