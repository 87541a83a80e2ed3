import type { RolloutWaveView } from '@fso/shared/api';
import type { MovedCluster, Wave } from './clusters.ts';
import { FACT_OF_GATE, type Facts, type Gate, type Halt } from './run.ts';

/** Most clusters that a halt names, and most unreachable ones that a wave names. */
export const MAX_NAMED_CLUSTERS = 20;

const LIMITS = [
  { gate: 'NewViolations', limit: 'maxNewViolations', what: 'new violations' },
  { gate: 'NewlyRefused', limit: 'maxNewlyRefused', what: 'owners newly refused at their next start' },
  { gate: 'NewlyPending', limit: 'maxNewlyPending', what: 'owners whose next pods would newly stay Pending' },
] as const satisfies readonly { gate: keyof typeof FACT_OF_GATE; limit: string; what: string }[];

const isLooked = ({ progress }: MovedCluster): boolean => progress !== 'unlooked';

/** Growth of a fact of a cluster since before the commit; null if it is unknown. */
const growthOf = ({ cluster: { accepted, facts }, move: { revision, before } }: MovedCluster, fact: keyof Facts): number | null => {
  const [now, then] = [facts?.[fact] ?? null, before?.[fact] ?? null];
  return accepted !== revision || now === null || then === null ? null : Math.max(0, now - then);
};

type Failure = Omit<Halt, 'wave' | 'since'>;

const failureOf = (gate: Gate, clusters: readonly MovedCluster[], problem: string): Failure => ({
  gate,
  clusters: clusters.slice(0, MAX_NAMED_CLUSTERS).map(({ cluster }) => cluster.name),
  problem,
});

/** Measurement of a gate that compares facts: `found` is the growth in all clusters. */
interface GateFigure {
  readonly gate: Gate;
  readonly what: string;
  readonly limit: number;
  readonly found: number;
  /** Clusters in which the fact has grown. */
  readonly grown: readonly MovedCluster[];
  /** Number of clusters whose growth is not known. */
  readonly unknown: number;
}

const figuresOf = (wave: Wave, moved: readonly MovedCluster[]): readonly GateFigure[] =>
  LIMITS.flatMap(({ gate, limit: key, what }) => {
    const limit = wave.rule?.[key];
    if (limit === undefined) return [];
    const growths = moved.filter(isLooked).map((each) => ({ each, growth: growthOf(each, FACT_OF_GATE[gate]) }));
    return [
      {
        gate,
        what,
        limit,
        found: growths.reduce((total, { growth }) => total + (growth ?? 0), 0),
        grown: growths.flatMap(({ each, growth }) => ((growth ?? 0) > 0 ? [each] : [])),
        unknown: growths.filter(({ growth }) => growth === null).length,
      },
    ];
  });

/** Describes the gates of a wave that compare facts, failed or not. */
export const describeGates = (wave: Wave, moved: readonly MovedCluster[]): RolloutWaveView['gates'] =>
  figuresOf(wave, moved).map(({ gate, limit, found, unknown }) => ({ gate, limit, found, unknown }));

const compareFacts = (wave: Wave, moved: readonly MovedCluster[]): Failure | undefined => {
  const failed = figuresOf(wave, moved).find(({ found, limit }) => found > limit);
  return failed && failureOf(failed.gate, failed.grown, `${failed.found} ${failed.what}; the wave may have ${failed.limit}`);
};

/** Finds the first gate that fails by the current clusters. The last wave has no gates. */
export const failedGate = (wave: Wave, moved: readonly MovedCluster[]): Failure | undefined => {
  if (wave.rule === undefined) return undefined;
  const refused = moved.filter(({ progress }) => progress === 'refused');
  if (refused.length > 0) return failureOf('Refused', refused, 'the agent refused the commit');
  const facts = compareFacts(wave, moved);
  if (facts !== undefined) return facts;
  const late = moved.filter(({ progress }) => progress === 'late');
  return late.length === 0 ? undefined : failureOf('ProofTime', late, `not proven and looked at within ${wave.proofMs / 1000} s`);
};

/** Failure of a wave in which no cluster has proven the commit, so that the gates saw nothing. */
export const unseenGate = (wave: Wave, moved: readonly MovedCluster[]): Failure | undefined => {
  const registered = moved.filter(({ cluster }) => cluster.isRegistered);
  if (wave.rule === undefined || registered.length === 0 || registered.some(({ progress }) => progress === 'proven')) return undefined;
  return failureOf('NothingLookedAt', registered, 'the gates looked at 0 clusters: none has proven the commit and is known as it is now');
};
