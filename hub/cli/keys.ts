import { readFile } from 'node:fs/promises';
import { createKubeClient, isAlreadyExists, SECRET_KIND, type Secret } from '@fso/shared/kube';
import { ConfigError, messageOf, readIfThere } from '@fso/shared/runtime';
import { stringify } from 'yaml';
import { KEY_FILES, loadKeyPaths } from '../config/config.ts';
import { makeAgentCa } from '../identity/index.ts';
import { makeAuditKeyPem } from '../ledger/index.ts';
import manifest from '../package.json' with { type: 'json' };
import type { Context } from './context.ts';
import { CliError } from './errors.ts';

interface Keys {
  readonly caCert: string;
  readonly caKey: string;
  readonly auditKey: string;
}

interface Namespace {
  readonly namespace?: string | undefined;
}

/**
 * Returns the Secret for FSO_KEYS_DIR of a hub. It is immutable, because agents trust only this CA.
 */
const secretOf = (name: string, { namespace }: Namespace, { caCert, caKey, auditKey }: Keys) => {
  const files = {
    [KEY_FILES.FSO_AGENT_CA_CERT_FILE]: caCert,
    [KEY_FILES.FSO_AGENT_CA_KEY_FILE]: caKey,
    [KEY_FILES.FSO_AUDIT_KEY_FILE]: auditKey,
  };
  const data = Object.fromEntries(Object.entries(files).map(([file, text]) => [file, Buffer.from(text).toString('base64')]));
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, ...(namespace !== undefined && { namespace }) }, immutable: true, data };
};

/** Runs `fso keys show`: prints the keys of the hub on this machine as a Secret. */
export const showKeys = async (context: Context, name: string, namespace: Namespace): Promise<void> => {
  try {
    const { caCert, caKey, auditKey } = loadKeyPaths(context.io.env);
    const [cert = '', ...others] = await Promise.all([caCert, caKey, auditKey].map((path) => readFile(path, 'utf8')));
    const [key = '', audit = ''] = others;
    context.out(stringify(secretOf(name, namespace, { caCert: cert, caKey: key, auditKey: audit })));
  } catch (error) {
    throw new CliError(error instanceof ConfigError ? error.message : `the hub has no keys here yet: ${messageOf(error)}`);
  }
};

/** File with the namespace of a pod, mounted by Kubernetes. */
const NAMESPACE_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

/** Runs `fso keys create`: creates new keys as a Secret in a cluster, unless it exists. */
export const createKeys = async (context: Context, name: string, { namespace }: Namespace): Promise<void> => {
  const where = namespace ?? (await readIfThere(NAMESPACE_FILE))?.trim();
  if (where === undefined) throw new CliError('outside of a pod, --namespace is needed');
  const client = createKubeClient({ kubeconfig: context.io.env['KUBECONFIG'] || undefined, userAgent: `fso/${manifest.version}` });
  try {
    const { cert, key } = await makeAgentCa(context.now());
    const secret = secretOf(name, { namespace: where }, { caCert: cert, caKey: key, auditKey: makeAuditKeyPem() });
    await client.create(SECRET_KIND, secret as unknown as Secret, {}, AbortSignal.timeout(60_000));
    context.out(`made the Secret ${name} in ${where}\n`);
  } catch (error) {
    if (!isAlreadyExists(error)) throw new CliError(messageOf(error));
    context.out(`the Secret ${name} is in ${where} already, and stays as it is\n`);
  } finally {
    await client.close();
  }
};
