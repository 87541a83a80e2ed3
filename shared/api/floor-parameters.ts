import { z } from 'zod';
import { NamespaceGlob, NamespaceName } from './common.ts';
import type { KubeObject } from './kubernetes.ts';

/**
 * Most entries of each list. An object may have about 1.5 MB in etcd, so the agent also keeps to
 * {@link FLOOR_PARAMETER_BYTES}.
 */
export const FLOOR_PARAMETER_LIMITS = { nodes: 10_000, namespaces: 5_000, patterns: 256 } as const;

/** Most bytes of JSON: of the nodes, of the patterns, and of everything in the index, where namespaces have what the others leave. */
export const FLOOR_PARAMETER_BYTES = { nodes: 600_000, patterns: 150_000, index: 1_350_000 } as const;

/** Replaced as a whole by an apply: what someone adds goes, and the object's bookkeeping stays small. */
const ATOMIC = { 'x-kubernetes-map-type': 'atomic' } as const;

const PolicyKeys = z.string().max(262_144).describe('Policies (namespace/name), sorted, comma separated.');

export const FloorParametersSpec = z
  .strictObject({
    nodes: z
      .record(z.string().max(253), z.string().max(63))
      .meta({ ...ATOMIC, maxProperties: FLOOR_PARAMETER_LIMITS.nodes })
      .optional()
      .describe('Region of each node, by name; empty for a node without one.'),
    namespaces: z
      .record(
        NamespaceName,
        z.strictObject({
          regions: z.string().max(16_384).describe('Regions in which pods may run, sorted, comma separated; empty: none.'),
          policies: PolicyKeys,
          revisions: z.string().max(131_072).describe('Git commit of each of the policies, in the same order; - for a local one.'),
        }),
      )
      // And one that is the agent's own: CANARY_NAMESPACE.
      .meta({ ...ATOMIC, maxProperties: FLOOR_PARAMETER_LIMITS.namespaces + 1 })
      .optional()
      .describe('What governs each namespace under action deny, those included that policies name and that do not exist yet.'),
    reach: z
      .string()
      .max(20_000)
      .optional()
      .describe('One regular expression (RE2) for all patterns, so that a namespace that none of them means costs one look; empty: none.'),
    patterns: z
      .array(
        z.strictObject({
          pattern: NamespaceGlob,
          excluded: z.array(NamespaceGlob).max(128),
          policies: PolicyKeys,
        }),
      )
      .max(FLOOR_PARAMETER_LIMITS.patterns)
      .optional()
      .describe('Globs of policies under action deny: a namespace that one of them means and that is not listed has not been seen yet.'),
  })
  .describe('What the admission policies of lock 1 read: written by the agent, for the API server.');
export type FloorParametersSpec = z.infer<typeof FloorParametersSpec>;

/** Parameters of admission policies, as they stand in a cluster. */
export interface FloorParameters extends KubeObject {
  spec?: FloorParametersSpec;
}

/** The two objects. */
export const NODES_PARAMETERS = 'fso-nodes';
export const NAMESPACES_PARAMETERS = 'fso-namespaces';
