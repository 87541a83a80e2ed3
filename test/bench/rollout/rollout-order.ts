import type { CommitStep } from '../fleet/orders.ts';

/** Wave of the strategy, with the rules that its clusters can verify. */
export interface WaveRule {
  readonly name: string;
  readonly clusters: readonly string[];
  readonly maxConcurrency: number;
  readonly soakMs: number;
}

/** Rule of a rollout that the hub broke. */
export interface Breach {
  readonly rule: 'NotReached' | 'Soaking' | 'TooMany' | 'SentBack' | 'Unknown';
  readonly text: string;
}

/** Waves, with the pushed commits, oldest first. The first commit introduces the strategy. */
export interface Rollouts {
  readonly waves: readonly WaveRule[];
  readonly revisions: readonly string[];
}

/**
 * Follows the steps that agents saw, without knowledge of the hub. A place is the number of a
 * commit, from 0.
 */
class RolloutWitness {
  readonly breaches: Breach[] = [];
  readonly #waves: readonly WaveRule[];
  readonly #waveOf: ReadonlyMap<string, number>;
  readonly #placeOf: ReadonlyMap<string, number>;
  /** Places of the newest commits that clusters were offered. */
  readonly #offered = new Map<string, number>();
  readonly #proven = new Map<string, number>();
  /** Number of clusters that have proven a commit or a newer one, by wave and place. */
  readonly #counts = new Map<string, number>();
  /** Times at which all clusters of a wave had proven it. */
  readonly #doneAt = new Map<string, number>();

  constructor({ waves, revisions }: Rollouts) {
    this.#waves = waves;
    this.#waveOf = new Map(waves.flatMap(({ clusters }, wave) => clusters.map((cluster) => [cluster, wave] as const)));
    this.#placeOf = new Map(revisions.map((revision, place) => [revision, place]));
  }

  take(step: CommitStep): void {
    const [place, number] = [this.#placeOf.get(step.revision), this.#waveOf.get(step.cluster)];
    if (place === undefined || number === undefined) this.#add('Unknown', `${step.cluster}: ${step.type} ${step.revision}`);
    else if (step.type === 'proven') this.#prove(step, place, number);
    else this.#offer(step, place, number);
  }

  #add(rule: Breach['rule'], text: string): void {
    this.breaches.push({ rule, text });
  }

  #prove({ cluster, at }: CommitStep, place: number, number: number): void {
    const before = this.#proven.get(cluster) ?? -1;
    this.#proven.set(cluster, Math.max(before, place));
    for (let proven = before + 1; proven <= place; proven += 1) {
      const key = `${number} ${proven}`;
      const count = (this.#counts.get(key) ?? 0) + 1;
      this.#counts.set(key, count);
      if (count === this.#waves[number]?.clusters.length) this.#doneAt.set(key, at);
    }
  }

  #offer({ cluster, at }: CommitStep, place: number, number: number): void {
    const before = this.#offered.get(cluster) ?? -1;
    if (place < before) this.#add('SentBack', `${cluster} was offered commit ${place} after commit ${before}`);
    this.#offered.set(cluster, Math.max(before, place));
    // The commit that introduces the strategy goes to all clusters at once.
    if (place === 0) return;
    for (const [earlier, wave] of this.#waves.slice(0, number).entries()) {
      const doneAt = this.#doneAt.get(`${earlier} ${place}`);
      const text = `${cluster} was offered commit ${place}`;
      if (doneAt === undefined) this.#add('NotReached', `${text}, which not all of ${wave.name} have proven`);
      else if (at - doneAt < wave.soakMs) this.#add('Soaking', `${text} ${at - doneAt} ms after all of ${wave.name} had proven it`);
    }
    this.#boundWave(number, place);
  }

  /** Checks the number of clusters of a wave that were offered a commit and have not proven it. */
  #boundWave(number: number, place: number): void {
    const { name, clusters, maxConcurrency } = this.#waves[number] as WaveRule;
    const isUnderWay = (each: string): boolean => this.#offered.get(each) === place && (this.#proven.get(each) ?? -1) < place;
    const underWay = clusters.filter(isUnderWay).length;
    if (underWay > maxConcurrency) this.#add('TooMany', `commit ${place} is under way in ${underWay} clusters of ${name}`);
  }
}

/**
 * Checks, from the agents' side alone, whether each commit kept the order of waves. A cluster may
 * be offered a commit once all clusters of the earlier waves have proven it, or a newer one that
 * supersedes it, for the soak time of these waves. No more clusters of a wave may be in flight than
 * allowed, and no cluster may get an older commit than before. No cluster is exempt: each commit
 * must change something in all of them, and none may be away for as long as waves wait for it.
 * Pure.
 */
export const breachesOf = (rollouts: Rollouts, steps: readonly CommitStep[]): readonly Breach[] => {
  const witness = new RolloutWitness(rollouts);
  // Within the same millisecond, a proof may have opened the wave.
  const isProof = ({ type }: CommitStep): number => (type === 'proven' ? 0 : 1);
  for (const step of [...steps].sort((a, b) => a.at - b.at || isProof(a) - isProof(b))) witness.take(step);
  return witness.breaches;
};

/**
 * Counts commits by how far they got: `finished` if all clusters have proven the commit itself and
 * not a newer one instead, else the last wave in which it was offered; `none` if it was offered in
 * no wave.
 */
export const countReached = ({ waves, revisions }: Rollouts, steps: readonly CommitStep[]): ReadonlyMap<string, number> => {
  const seen = new Set(steps.map(({ type, cluster, revision }) => `${type} ${cluster} ${revision}`));
  const reachedBy = (revision: string): string => {
    const isSeen = (type: CommitStep['type']) => (cluster: string) => seen.has(`${type} ${cluster} ${revision}`);
    if (waves.every(({ clusters }) => clusters.every(isSeen('proven')))) return 'finished';
    return waves.findLast(({ clusters }) => clusters.some(isSeen('offered')))?.name ?? 'none';
  };
  return new Map([...Map.groupBy(revisions, reachedBy)].map(([reached, of]) => [reached, of.length]));
};
