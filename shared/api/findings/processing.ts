import { z } from 'zod';
import { CountryCode, NamespaceName, ProviderId, ResourceName } from '../common.ts';
import { PolicyKey } from '../reports.ts';

/** Most rows that an agent sends. */
export const MAX_PROCESSING_ROWS = 20_000;
/** Most policies that a row names. */
const MAX_ROW_POLICIES = 100;

/**
 * Number of running pods of one governed namespace in one provider, country and region, as counted
 * by the agent.
 */
export const ProcessingRow = z.strictObject({
  namespace: NamespaceName,
  policies: z.array(PolicyKey).max(MAX_ROW_POLICIES).describe('The first policies that govern the namespace, by key.'),
  country: CountryCode.nullable().describe(
    'ISO 3166-1 alpha-2; null: the catalogue of regions does not have the region, providers mean different countries by it, or the node contradicts itself.',
  ),
  provider: ProviderId.nullable().describe('null: neither the nodes nor the registration of the cluster name one.'),
  region: z
    .string()
    .max(63)
    .describe('Region of the nodes, or their zone where it lies in another country; empty: they have none that counts.'),
  pods: z.int().min(1),
});
export type ProcessingRow = z.infer<typeof ProcessingRow>;

/** Rows of a cluster. */
export const ClusterProcessing = z.strictObject({
  rows: z.array(ProcessingRow).max(MAX_PROCESSING_ROWS).describe('By namespace, then by provider and region.'),
  omitted: z.int().min(0).describe('Rows beyond those.'),
});
export type ClusterProcessing = z.infer<typeof ClusterProcessing>;

/** Row of countries of processing, with its cluster. */
export const ProcessingView = ProcessingRow.extend({ cluster: ResourceName });
export type ProcessingView = z.infer<typeof ProcessingView>;

/** Observed countries of processing, for example for the register of information under DORA. */
export const ProcessingReport = z.object({
  generatedAt: z.iso.datetime({ offset: true }),
  revision: z.string().nullable().describe('Commit in force at the hub.'),
  processing: z.array(ProcessingView).describe('By cluster, namespace, provider and region.'),
  omitted: z
    .int()
    .min(0)
    .nullable()
    .describe(
      'Rows that agents left out: they tell the first 20,000 of a cluster. null: not known, where an agent left out some of a cluster of which the caller sees a part.',
    ),
  unknownClusters: z.array(ResourceName).describe('Clusters of which nothing is known: not connected, not observed, or no answer.'),
});
export type ProcessingReport = z.infer<typeof ProcessingReport>;
