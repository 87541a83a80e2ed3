import { createYielder } from '@fso/shared/runtime';
import type { Issue } from '../../alerts/index.ts';
import type { FleetReader } from '../fleet/fleet-reader.ts';
import { listClusterIssues } from './cluster-issues.ts';
import { listSourceIssues } from './hub-issues.ts';
import { ClusterPolicyIssues, listExpiryIssues } from './policy-issues.ts';

/** Longer keeps answers waiting when many clusters changed at once. */
const SLICE_MS = 10;

/** The issues of each cluster by its name, and those of the hub and of policies as such. */
export interface FleetIssues {
  readonly hub: readonly Issue[];
  readonly policies: readonly Issue[];
  readonly clusters: ReadonlyMap<string, readonly Issue[]>;
}

/** Lists what is wrong with the fleet, again and again: what did not change is not looked at again. */
export class IssueLister {
  readonly #fleet: FleetReader;
  readonly #policies = new ClusterPolicyIssues();

  constructor(fleet: FleetReader) {
    this.#fleet = fleet;
  }

  /** @returns undefined `clusters` and `policies`: the hub has not read the repository yet, so it does not know who should have what */
  async list(): Promise<Pick<FleetIssues, 'hub'> & Partial<FleetIssues>> {
    const hub = listSourceIssues(await this.#fleet.readSource());
    const fleet = await this.#fleet.read();
    if (fleet.desired() === null) return { hub };
    const nowMs = this.#fleet.now();
    const policies = listExpiryIssues(fleet, nowMs);
    // Entries are replaced and never changed: they hold while others run.
    const members = fleet.members();
    const clusters = new Map<string, readonly Issue[]>();
    const giveWay = createYielder(SLICE_MS);
    for (const entry of members) {
      const issues = [...listClusterIssues(entry, nowMs), ...this.#policies.list(entry)];
      if (issues.length > 0) clusters.set(entry.record.name, issues);
      await giveWay();
    }
    this.#policies.keepOnly(members);
    return { hub, policies, clusters };
  }
}
