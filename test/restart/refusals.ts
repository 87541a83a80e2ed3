import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubeObject } from '@fso/shared/api';
import { type AuditEvent, readAuditEvents } from '../harness/audit-logs.ts';
import { ownerOf } from './workload.ts';

/** Audit policy that records every request for a pod with its body, and every binding. */
const POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'Request', verbs: ['create'], resources: [{ group: '', resources: ['pods'] }] },
    { level: 'Metadata', verbs: ['create'], resources: [{ group: '', resources: ['pods/binding'] }] },
    { level: 'None' },
  ],
};

/** Request for a pod, with its body. */
interface PodEvent extends AuditEvent {
  readonly requestObject?: KubeObject;
  readonly requestReceivedTimestamp?: string;
  readonly responseStatus?: { readonly code?: number; readonly message?: string };
}

/** Owners and pods that an audit log names. */
interface AuditedPods {
  /** Owners whose pods a lock refused. */
  readonly refused: Set<string>;
  /** `namespace/name` of pods whose binding a lock refused. */
  readonly unbound: Set<string>;
  /** Owners whose templates an agent has tried in a dry run. */
  readonly tried: Set<string>;
}

const LOCKS = /fso-floor-|validation\.gatekeeper\.sh/;

const isRefused = ({ responseStatus: { code = 0, message = '' } = {} }: PodEvent): boolean => code >= 400 && LOCKS.test(message);

/** Returns the kind of an event, and its owner or pod; undefined if it concerns no workload. */
const readEvent = (event: PodEvent): readonly [keyof AuditedPods, string] | undefined => {
  const { objectRef: { subresource, namespace = '', name = '' } = {}, requestObject, userAgent = '' } = event;
  const owner = ownerOf({ ...requestObject?.metadata, namespace });
  // The agent creates no pods. Its requests are proofs and dry runs of templates.
  if (userAgent.startsWith('fso-agent/')) return owner === undefined ? undefined : ['tried', owner];
  if (!isRefused(event)) return undefined;
  if (subresource === 'binding') return ['unbound', `${namespace}/${name}`];
  return owner === undefined ? undefined : ['refused', owner];
};

/** Audit log of an API server about its pods. */
export class PodAudit {
  /** Flags of the API server. */
  readonly apiServerArgs: readonly string[];
  readonly #log: string;

  private constructor(policy: string, log: string) {
    this.apiServerArgs = [`--audit-policy-file=${policy}`, `--audit-log-path=${log}`];
    this.#log = log;
  }

  /** Prepares the log of one API server in a folder. */
  static async open(folder: string, name: string): Promise<PodAudit> {
    const policy = join(folder, `${name}-audit.json`);
    await writeFile(policy, JSON.stringify(POLICY));
    return new PodAudit(policy, join(folder, `${name}-audit.log`));
  }

  /**
   * Reads the refused and tried owners since a time. @param began as returned by `Date#toISOString`
   */
  async read(began: string): Promise<AuditedPods> {
    const audited: AuditedPods = { refused: new Set(), unbound: new Set(), tried: new Set() };
    for await (const event of readAuditEvents(this.#log) as AsyncIterable<PodEvent>) {
      const [is, of] = readEvent(event) ?? [];
      if (is !== undefined && of !== undefined && (event.requestReceivedTimestamp ?? '') >= began) audited[is].add(of);
    }
    return audited;
  }
}
