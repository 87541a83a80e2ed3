import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import { matchesNamespace } from '@fso/shared/compile';

/**
 * The agent's own namespace and Gatekeeper's: no policy governs them, not even one that names them. A residency rule
 * there could keep out the very programs that enforce it, and Gatekeeper exempts its namespace from itself.
 */
const UNGOVERNABLE: readonly string[] = [SYSTEM_NAMESPACE, 'gatekeeper-system'];

/** Namespaces of the cluster itself: governed when a policy names one, never by a glob, which would stop the cluster. */
const CLUSTER_NAMESPACES: readonly string[] = ['kube-node-lease', 'kube-public', 'kube-system'];

const NEVER_BY_GLOB = [...UNGOVERNABLE, ...CLUSTER_NAMESPACES];

export const isGlob = (pattern: string): boolean => pattern.startsWith('*') || pattern.endsWith('*');

export const isUngovernable = (namespace: string): boolean => UNGOVERNABLE.includes(namespace);

/** Namespaces that a pattern would match and that it nevertheless leaves alone. */
export const protectedFrom = (pattern: string): readonly string[] =>
  isGlob(pattern) ? NEVER_BY_GLOB.filter((namespace) => matchesNamespace(pattern, namespace)) : [];
