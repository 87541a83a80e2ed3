import { z } from 'zod';
import { NamespaceGlob, NamespaceName } from './common.ts';
import type { KubeObject } from './kubernetes.ts';

/**
 * Most entries of each list. An object may have about 1.5 MB in etcd, so the agent also keeps to
 * {@link FLOOR_PARAMETER_BYTES}.
 */
export const FLOOR_PARAMETER_LIMITS = { nodes: 10_000, namespaces: 5_000, patterns: 256, exceptions: 100, zones: 500 } as const;

/**
 * Largest JSON in bytes: of the nodes, of the patterns, and of the whole index, in which namespaces
 * get the rest.
 */
export const FLOOR_PARAMETER_BYTES = { nodes: 600_000, patterns: 150_000, index: 1_350_000 } as const;

/**
 * Makes an apply replace the map as a whole: it removes entries of others and keeps `managedFields`
 * small.
 */
const ATOMIC = { 'x-kubernetes-map-type': 'atomic' } as const;

const PolicyKeys = z.string().max(262_144).describe('Policies (name, or namespace/name), sorted, comma separated.');

/** Content of FloorParameters: nodes and namespaces that lock 1 looks up. */
export const FloorParametersSpec = z
  .strictObject({
    nodes: z
      .record(z.string().max(253), z.string().max(63))
      .meta({ ...ATOMIC, maxProperties: FLOOR_PARAMETER_LIMITS.nodes })
      .optional()
      .describe('Region of each node, by name; empty for a node without one.'),
    disputedRegions: z
      .array(z.string().max(63))
      .max(FLOOR_PARAMETER_LIMITS.exceptions)
      .optional()
      .describe('Regions in which no node counts, as more nodes are disputed than lock 2 lists; *: all.'),
    zones: z
      .array(z.string().max(63))
      .max(FLOOR_PARAMETER_LIMITS.zones)
      .optional()
      .describe('Zones in another country than their region: each counts as a region of its own.'),
    namespaces: z
      .record(
        NamespaceName,
        z.strictObject({
          regions: z
            .string()
            .max(16_384)
            .describe('Regions in which pods may run, sorted, comma separated; empty: none. One that begins with = is a key of `lists`.'),
          policies: PolicyKeys,
          revisions: z.string().max(131_072).describe('Git commit of each of the policies, in the same order; - for a local one.'),
        }),
      )
      // One more for the agent's own CANARY_NAMESPACE.
      .meta({ ...ATOMIC, maxProperties: FLOOR_PARAMETER_LIMITS.namespaces + 1 })
      .optional()
      .describe('The deny policies of each namespace, also of namespaces that a policy names and that do not exist yet.'),
    lists: z
      .record(z.string().max(8), z.string().max(16_384))
      .meta({ ...ATOMIC, maxProperties: FLOOR_PARAMETER_LIMITS.namespaces })
      .optional()
      .describe('Lists of regions that several namespaces share, by key; only where the namespaces would not fit with a list each.'),
    reach: z
      .string()
      .max(20_000)
      .optional()
      .describe(
        'One regular expression (RE2) for all patterns, so that a namespace that matches none of them costs one match; empty: none.',
      ),
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
      .describe('Globs of the deny policies: the agent has not seen a namespace yet that matches one of them and is not listed.'),
  })
  .describe('Parameters of the admission policies of lock 1: the agent writes them, the API server reads them.');
export type FloorParametersSpec = z.infer<typeof FloorParametersSpec>;

/** First character of the keys of `lists`. No region starts with it. */
export const LIST_KEY_PREFIX = '=';

/**
 * Regions of an entry, comma separated. A key without a list stands for itself, which is the region
 * of no node.
 */
export const regionsOfEntry = ({ lists }: Pick<FloorParametersSpec, 'lists'>, { regions }: { readonly regions: string }): string =>
  (regions.startsWith(LIST_KEY_PREFIX) && Object.hasOwn(lists ?? {}, regions) ? lists?.[regions] : undefined) ?? regions;

/** Parameters of admission policies in a cluster. */
export interface FloorParameters extends KubeObject {
  spec?: FloorParametersSpec;
}

/** Name of the FloorParameters that hold the regions of nodes. */
export const NODES_PARAMETERS = 'fso-nodes';
/** Name of the FloorParameters that hold the index of namespaces. */
export const NAMESPACES_PARAMETERS = 'fso-namespaces';
