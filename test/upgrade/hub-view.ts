import type { ClusterView, EventView, PolicyView } from '@fso/shared/api';
import type { UpgradeHub } from './upgrade-hub.ts';

type ClusterFields = 'name' | 'regions' | 'connection' | 'revision' | 'provenRevision' | 'inSync' | 'policies' | 'violations';
type PolicyFields =
  | 'namespace'
  | 'name'
  | 'targetNamespace'
  | 'allowedRegions'
  | 'effectiveRegions'
  | 'enforcementAction'
  | 'phase'
  | 'violations';

/** Facts of the fleet at a hub that do not depend on the time of the request. */
export interface HubView {
  readonly clusters: readonly Pick<ClusterView, ClusterFields>[];
  readonly policies: readonly (Pick<PolicyView, PolicyFields> & {
    readonly perCluster: readonly { readonly cluster: string; readonly phase: string | undefined }[];
  })[];
}

const clusterOf = (view: ClusterView): HubView['clusters'][number] => {
  const { name, regions, connection, revision, provenRevision, inSync, policies, violations } = view;
  return { name, regions, connection, revision, provenRevision, inSync, policies, violations };
};

const policyOf = (view: PolicyView): HubView['policies'][number] => {
  const { namespace, name, targetNamespace, allowedRegions, effectiveRegions, enforcementAction, phase, violations } = view;
  const perCluster = view.clusters.map(({ cluster, report }) => ({ cluster, phase: report?.phase }));
  return { namespace, name, targetNamespace, allowedRegions, effectiveRegions, enforcementAction, phase, violations, perCluster };
};

export const readHubView = async (hub: UpgradeHub, signal: AbortSignal): Promise<HubView> => {
  const [clusters, policies] = await Promise.all([hub.list('clusters', signal), hub.list('policies', signal)]);
  return { clusters: (clusters as ClusterView[]).map(clusterOf), policies: (policies as PolicyView[]).map(policyOf) };
};

type ClusterLine = HubView['clusters'][number];

const clusterLag = ({ name, connection, provenRevision, inSync }: ClusterLine, revision: string): readonly string[] =>
  connection === 'Connected' && provenRevision === revision && inSync
    ? []
    : [`${name} is ${connection}, ${inSync ? 'in sync' : 'not in sync'}, has proven ${provenRevision ?? 'nothing'}`];

/**
 * Returns a line where the hub shows a cluster as connected or proven although it refuses its
 * agent.
 */
const refusalLag = ({ name, connection, provenRevision }: ClusterLine): readonly string[] =>
  connection === 'Connected' || provenRevision !== null ? [`${name} is ${connection}, has proven ${provenRevision ?? 'nothing'}`] : [];

/**
 * Returns why a fleet does not have a commit in force everywhere, with every policy; empty: it has.
 *
 * @param refused clusters whose agents the hub does not let in
 */
export const lagOf = ({ clusters, policies }: HubView, revision: string, refused: readonly string[] = []): readonly string[] => [
  ...clusters.flatMap((cluster) => (refused.includes(cluster.name) ? refusalLag(cluster) : clusterLag(cluster, revision))),
  ...policies.flatMap(({ name, perCluster }) =>
    perCluster
      .filter(({ cluster, phase }) => phase !== 'Active' && !refused.includes(cluster))
      .map(({ cluster, phase }) => `${name} in ${cluster} is ${phase ?? 'not reported'}`),
  ),
];

/** The alerts behind an event. `newest`: the id of the newest event. */
export const readAlerts = async (
  hub: UpgradeHub,
  after: number,
  signal: AbortSignal,
): Promise<{ readonly newest: number; readonly alerts: readonly string[] }> => {
  const events = (await hub.list('events', signal)) as readonly EventView[];
  const alerts = events.filter(({ id, severity }) => id > after && severity === 'alert');
  return {
    newest: Math.max(after, ...events.map(({ id }) => id)),
    alerts: alerts.map(({ cluster, reason, message }) => `${cluster ?? 'hub'}: ${reason}: ${message}`),
  };
};
