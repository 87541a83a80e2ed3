import {
  AGENT_STATE,
  ANNOTATIONS,
  API_GROUP,
  CANARY_NAMESPACE,
  FIELD_MANAGERS,
  LABELS,
  NODES_PARAMETERS,
  SCHEMA_VERSION_ANNOTATION,
  SYSTEM_NAMESPACE,
} from '@fso/shared/api';
import {
  CONFIG_MAP_KIND,
  CRD_KIND,
  FLOOR_PARAMETERS_KIND,
  type KindDescriptor,
  NAMESPACE_KIND,
  type ObjectRef,
  objectPath,
  SOVEREIGN_POLICY_KIND,
} from '@fso/shared/kube';

/**
 * Write that one guard refuses if the agent sends it as a dry run: the agent has the right to it,
 * and it carries the mark.
 */
export interface GuardProbe {
  readonly path: string;
  readonly contentType: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** Placeholder for a real value. */
const VALUE = 'probe';
const MARK = { [ANNOTATIONS.guardProbe]: VALUE };

const patchOf = (kind: KindDescriptor, ref: ObjectRef, annotations: Readonly<Record<string, string>> = {}): GuardProbe => ({
  path: objectPath(kind, ref),
  contentType: 'application/merge-patch+json',
  query: {},
  body: { metadata: { annotations: { ...MARK, ...annotations } } },
});

/** Builds a probe for an object that need not exist. */
const applyOf = (kind: KindDescriptor, ref: ObjectRef, content: { labels?: object; spec?: object } = {}): GuardProbe => {
  const { labels, ...rest } = content;
  const metadata = { ...ref, annotations: MARK, ...(labels && { labels }) };
  return {
    path: objectPath(kind, ref),
    contentType: 'application/apply-patch+yaml',
    query: { fieldManager: FIELD_MANAGERS.probe, force: 'true' },
    body: { apiVersion: kind.apiVersion, kind: kind.kind, metadata, ...rest },
  };
};

/** Probes by the suffix of the guard's name. */
export const probes = {
  namespaces: patchOf(NAMESPACE_KIND, { name: CANARY_NAMESPACE }),
  policies: applyOf(
    SOVEREIGN_POLICY_KIND,
    { namespace: SYSTEM_NAMESPACE, name: 'fso-probe' },
    { labels: { [LABELS.managedBy]: 'hub' }, spec: { targetNamespace: CANARY_NAMESPACE, allowedRegions: [VALUE] } },
  ),
  locks: patchOf(FLOOR_PARAMETERS_KIND, { name: NODES_PARAMETERS }),
  // A schema version, as the guard allows changes to other metadata of a CRD.
  definitions: patchOf(CRD_KIND, { name: `${FLOOR_PARAMETERS_KIND.plural}.${API_GROUP}` }, { [SCHEMA_VERSION_ANNOTATION]: VALUE }),
  state: applyOf(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE }),
} as const;
