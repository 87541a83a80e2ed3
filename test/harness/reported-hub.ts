import { effectivePhase, type Phase, type PolicyInCluster, type PolicyReport } from '@fso/shared/api';
import { digestOfPolicies } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import type { FakeClock } from '@fso/shared/fake-clock';
import { RevisionTargets } from '../../hub/delivery/offers/revision-targets.ts';
import { TurnLimiter } from '../../hub/delivery/pacing/turn-limiter.ts';
import type { Desired, FleetState, Ledger } from '../../hub/ledger/index.ts';
import { viewOf } from '../../hub/serve/fleet/cluster-entry.ts';
import { FleetReader } from '../../hub/serve/fleet/fleet-reader.ts';
import { IssueLister } from '../../hub/serve/issues/issue-lister.ts';

/** Views of the fleet that a hub shows. */
export class Shown {
  readonly #reader: FleetReader;
  readonly #lister: IssueLister;

  constructor(ledger: FleetState, clock: FakeClock) {
    this.#reader = new FleetReader({ ledger, clock, version: '0' });
    this.#lister = new IssueLister({ fleet: this.#reader, hub: undefined, clock });
  }

  async row(policy: string, cluster: string): Promise<PolicyInCluster | undefined> {
    return (await this.#reader.read()).policy(policy)?.rows.get(cluster);
  }

  /** Returns the phase of a policy; undefined if the cluster neither should have nor reports it. */
  async phase(policy: string, cluster: string): Promise<Phase | undefined> {
    const row = await this.row(policy, cluster);
    return row && effectivePhase(row);
  }

  /** Returns all policies of a cluster with their phase, by key: `finance Active`. */
  async phases(cluster: string): Promise<readonly string[]> {
    const rows = (await this.#reader.read()).policies().flatMap(({ key, rows }) => {
      const row = rows.get(cluster);
      return row === undefined ? [] : [`${key} ${effectivePhase(row)}`];
    });
    return rows.sort(byText);
  }

  async report(policy: string, cluster: string): Promise<PolicyReport> {
    const row = await this.row(policy, cluster);
    if (row?.report == null) throw new Error(`nothing is reported of ${policy} in ${cluster}`);
    return row.report;
  }

  async cluster(name: string) {
    const entry = (await this.#reader.read()).cluster(name);
    if (entry === undefined) throw new Error(`no cluster ${name}`);
    return viewOf(entry);
  }

  /** Returns the named violations, each as its policy and its cluster. */
  async violations(): Promise<readonly string[]> {
    return (await this.#reader.read()).violations().map(({ view }) => `${view.policy} ${view.cluster}`);
  }

  async summary(policy: string) {
    return (await this.#reader.read()).policy(policy)?.summary();
  }

  status() {
    return this.#reader.readStatus();
  }

  /** Returns each issue as its alert, its policy and its cluster. */
  async issues(): Promise<readonly string[]> {
    const { policies = [], clusters } = await this.#lister.list(() => false);
    const all = [...policies, ...[...(clusters?.values() ?? [])].flat()];
    return all.map(({ alert, labels: { policy = '-', cluster = '-' } }) => `${alert} ${policy} ${cluster}`).sort(byText);
  }
}

/** Hub without its sockets. */
export class ReportedHub {
  readonly clock: FakeClock;
  readonly ledger: Ledger;
  readonly targets = new RevisionTargets();
  readonly resyncs: TurnLimiter;
  readonly shown: Shown;

  constructor(clock: FakeClock, ledger: Ledger) {
    this.clock = clock;
    this.ledger = ledger;
    this.resyncs = new TurnLimiter(2, clock);
    this.shown = new Shown(ledger, clock);
  }

  /** Records that the hub has compiled a commit. */
  async commit(desired: Desired): Promise<void> {
    const digests = new Map([...desired.clusters].map(([cluster, policies]) => [cluster, digestOfPolicies(policies)]));
    this.targets.keepDigests(desired.revision, digests);
    await this.ledger.setDesired(desired);
  }
}
