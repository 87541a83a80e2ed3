import type { PlaceName } from './places.ts';

/** Region with more to say than its place. */
interface RegionSeed {
  readonly place: PlaceName;
  /** Company that runs it, where that is not the provider. */
  readonly operator?: string;
  /** Zones that lie in another country, by name. */
  readonly zones?: Readonly<Record<string, PlaceName>>;
  /** First day (UTC) on which it is closed. */
  readonly until?: string;
}

/** Regions of one partition of a provider, with the source of the list. */
export interface PartitionSeed {
  readonly source: string;
  /** Company that runs its regions, where that is not the provider. */
  readonly operator?: string;
  /** Regions by the name that their nodes have in `topology.kubernetes.io/region`. */
  readonly regions: Readonly<Record<string, PlaceName | RegionSeed>>;
}

/** Regions of a provider by partition: a part of its cloud with accounts and rules of its own. */
export type ProviderSeed = Readonly<Record<string, PartitionSeed>>;
