import type { PlaceName } from './places.ts';

/** Region with more fields than its place. */
interface RegionSeed {
  readonly place: PlaceName;
  /** Company that runs the region, if it is not the provider. */
  readonly operator?: string;
  /** Zones in another country than the region, by name. */
  readonly zones?: Readonly<Record<string, PlaceName>>;
  /** First day (UTC) on which it is closed. */
  readonly until?: string;
}

/** Regions of one partition of a provider, with the source of the list. */
export interface PartitionSeed {
  readonly source: string;
  /** Company that runs the partition's regions, if it is not the provider. */
  readonly operator?: string;
  /** Regions by the value of `topology.kubernetes.io/region` on their nodes. */
  readonly regions: Readonly<Record<string, PlaceName | RegionSeed>>;
}

/** Regions of a provider by partition, a part of its cloud with separate accounts and rules. */
export type ProviderSeed = Readonly<Record<string, PartitionSeed>>;
