import { ANNOTATIONS, FIELD_MANAGERS, type KubeObject, SYSTEM_NAMESPACE, UNINSTALL_REPORTS, type UninstallReport } from '@fso/shared/api';
import { sha256 } from '@fso/shared/encoding';
import { NAMESPACE_KIND } from '@fso/shared/kube';
import type { Action } from '../enforce/index.ts';

/**
 * Objects of a complete installation, recorded on the system namespace. From it a starting agent
 * learns what was deleted while no agent ran, and whether an object that differs was written by an
 * older version or by another writer.
 */
export interface InstallRecord {
  /** Keys of actions, sorted. */
  readonly keys: readonly string[];
  /** Hash of the bodies that this version writes. */
  readonly text: string;
}

const { installed: KEYS, installedText: TEXT } = ANNOTATIONS;
const HASH_LENGTH = 16;

/** Computes a short hash of the JSON of objects. */
export const hashBodies = (bodies: unknown): string => sha256(JSON.stringify(bodies)).slice(0, HASH_LENGTH);

/** Reads the record from the annotations of the agent's namespace. Empty if there is none. */
export const readInstallRecord = (namespace: KubeObject | undefined): InstallRecord => {
  const { [KEYS]: keys = '', [TEXT]: text = '' } = namespace?.metadata.annotations ?? {};
  return { keys: keys === '' ? [] : keys.split(','), text };
};

/** Plans to write a record that the namespace does not have yet. */
export const planInstallRecord = (namespace: KubeObject | undefined, wanted: InstallRecord): Action[] => {
  const known = readInstallRecord(namespace);
  if (namespace === undefined || (known.text === wanted.text && known.keys.join(',') === wanted.keys.join(','))) return [];
  const { apiVersion, kind } = NAMESPACE_KIND;
  const annotations = { [KEYS]: wanted.keys.join(','), [TEXT]: wanted.text };
  return [
    {
      type: 'apply',
      key: `${kind}/${SYSTEM_NAMESPACE}`,
      kind: NAMESPACE_KIND,
      body: { apiVersion, kind, metadata: { name: SYSTEM_NAMESPACE, annotations } },
      fieldManager: FIELD_MANAGERS.record,
      reason: 'Record',
      policies: [],
    },
  ];
};

/**
 * Request to remove enforcement from this cluster, which a user wrote on the system namespace with
 * `fso-agent uninstall`.
 */
export interface UninstallRequest {
  readonly user: string;
  /** State of the report to the hub. Once it exists, agents do nothing more. */
  readonly report: UninstallReport | undefined;
}

/**
 * Reads the request to remove enforcement from the agent's namespace.
 *
 * @returns undefined if there is none
 */
export const readUninstallRequest = (namespace: KubeObject | undefined): UninstallRequest | undefined => {
  const { [ANNOTATIONS.uninstallRequestedBy]: user, [ANNOTATIONS.uninstallReport]: report } = namespace?.metadata.annotations ?? {};
  return user === undefined ? undefined : { user, report: UNINSTALL_REPORTS.find((known) => known === report) };
};

/**
 * Formats the error of an agent that must not install, with the command that allows enforcement
 * again.
 */
export const uninstalledText = (user: string): string =>
  `enforcement was removed from this cluster by ${user} with "fso-agent uninstall"; to install it again, run: kubectl annotate namespace ${SYSTEM_NAMESPACE} ${ANNOTATIONS.uninstallRequestedBy}-`;
