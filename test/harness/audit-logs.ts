import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SYSTEM_NAMESPACE } from '@fso/shared/api';

/**
 * Environment variable with the folder in which the API servers of a test run write audit logs of
 * their agents, and the name of their policy file.
 */
export const AUDIT_LOGS = { variable: 'FSO_TEST_AUDIT_LOGS', policy: 'policy.json' } as const;

/**
 * Audit policy for the users of agents in tests: the administrator of a local cluster, or the
 * service account of deploy/agent.
 */
const POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived', 'ResponseStarted'],
  rules: [{ level: 'Metadata', users: ['fso-admin', `system:serviceaccount:${SYSTEM_NAMESPACE}:fso-agent`] }, { level: 'None' }],
};

const AGENT = 'fso-agent/';

/** Request of an agent, in terms of RBAC. */
export interface RightInUse {
  readonly verb: string;
  readonly apiGroup: string;
  /**
   * Resource with its subresource, such as `pods/binding`; or the path of a URL without a resource.
   */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

/** Part of an audit event (https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/). */
export interface AuditEvent {
  readonly verb: string;
  readonly userAgent?: string;
  readonly requestURI?: string;
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code?: number };
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Reads the events in the audit log of an API server that is still running, or was killed. An
 * incomplete last line is skipped.
 */
export async function* readAuditEvents(file: string): AsyncGenerator<AuditEvent> {
  for await (const line of createInterface({ input: createReadStream(file) })) {
    if (line.endsWith('}')) yield JSON.parse(line) as AuditEvent;
  }
}

/** Paths that every user may read, by the API server's own role `system:public-info-viewer`. */
const PUBLIC = new Set(['/version']);

const rightsOf = ({ verb, userAgent, objectRef, requestURI = '', responseStatus }: AuditEvent): readonly RightInUse[] => {
  if (userAgent?.startsWith(AGENT) !== true) return [];
  if (objectRef?.resource === undefined) {
    const [path = ''] = requestURI.split('?');
    return PUBLIC.has(path) ? [] : [{ verb, apiGroup: '', resource: path, namespace: '', name: '' }];
  }
  const { apiGroup = '', resource, subresource, namespace = '', name = '' } = objectRef;
  const right = { verb, apiGroup, resource: subresource === undefined ? resource : `${resource}/${subresource}`, namespace, name };
  // Server-side apply that creates an object needs both verbs.
  return verb === 'patch' && responseStatus?.code === 201 ? [right, { ...right, verb: 'create' }] : [right];
};

/**
 * Returns the distinct requests of the agents of this run so far.
 *
 * @throws Error if the run keeps no audit logs
 */
export const readRightsInUse = async (): Promise<readonly RightInUse[]> => {
  const folder = process.env[AUDIT_LOGS.variable];
  if (folder === undefined) throw new Error('this run keeps no audit logs');
  const rights = new Map<string, RightInUse>();
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.log'))) {
    for await (const event of readAuditEvents(join(folder, file))) {
      for (const right of rightsOf(event)) rights.set(JSON.stringify(right), right);
    }
  }
  return [...rights.values()];
};

/**
 * Set-up of a test run, whose processes inherit the variable. A run that is part of another one
 * uses the folder of that.
 *
 * @returns the clean-up
 */
const setup = async (): Promise<() => Promise<void>> => {
  if (process.env[AUDIT_LOGS.variable] !== undefined) return () => Promise.resolve();
  const folder = await mkdtemp(join(tmpdir(), 'fso-audit-logs-'));
  await writeFile(join(folder, AUDIT_LOGS.policy), JSON.stringify(POLICY));
  process.env[AUDIT_LOGS.variable] = folder;
  return () => rm(folder, { recursive: true, force: true });
};

export default setup;
