import { CANARY_NAMESPACE, SYSTEM_NAMESPACE } from '../api/index.ts';
import { isGlob, matchesNamespace } from './namespace-glob.ts';

/** Namespace in which Gatekeeper runs, and which no policy governs. */
export interface GatekeeperPlace {
  readonly gatekeeperNamespace: string;
}

/** The namespace of Gatekeeper's own manifests. */
export const USUAL_PLACE: GatekeeperPlace = { gatekeeperNamespace: 'gatekeeper-system' };

/**
 * The agent's own namespaces and Gatekeeper's: no policy governs them, not even one that names
 * them. A residency rule there could keep out the programs that enforce it, and Gatekeeper does not
 * judge its own namespace.
 */
const ungovernable = ({ gatekeeperNamespace }: GatekeeperPlace): readonly string[] => [
  CANARY_NAMESPACE,
  SYSTEM_NAMESPACE,
  gatekeeperNamespace,
];

/**
 * Namespaces of the cluster itself: only a policy that names one governs it, because a glob would
 * stop the cluster.
 */
const CLUSTER_NAMESPACES: readonly string[] = ['kube-node-lease', 'kube-public', 'kube-system'];

/**
 * Whether no policy governs a namespace, not even by its name: those of the agent and of
 * Gatekeeper.
 */
export const isUngovernable = (namespace: string, place: GatekeeperPlace): boolean => ungovernable(place).includes(namespace);

/** Namespaces that a pattern matches but does not govern. */
export const protectedFrom = (pattern: string, place: GatekeeperPlace): readonly string[] =>
  isGlob(pattern) ? [...ungovernable(place), ...CLUSTER_NAMESPACES].filter((namespace) => matchesNamespace(pattern, namespace)) : [];
