import type { MovedCluster, Wave } from './clusters.ts';
import { FACT_OF_GATE, type Facts, type Gate, type Halt } from './run.ts';

/** Clusters that a halt names. */
const NAMED = 20;

const LIMITS = [
  { gate: 'NewViolations', limit: 'maxNewViolations', what: 'new violations' },
  { gate: 'NewlyRefused', limit: 'maxNewlyRefused', what: 'owners newly refused at their next start' },
  { gate: 'NewlyPending', limit: 'maxNewlyPending', what: 'owners whose next pods would newly stay Pending' },
] as const satisfies readonly { gate: keyof typeof FACT_OF_GATE; limit: string; what: string }[];

const isCounted = ({ cluster, move, progress }: MovedCluster): boolean => progress !== 'unlooked' && cluster.accepted === move.revision;

/** Growth of a fact of a cluster; 0 where it is not known. */
const growthOf = ({ cluster: { facts }, move: { before } }: MovedCluster, fact: keyof Facts): number => {
  const [now, then] = [facts?.[fact] ?? null, before?.[fact] ?? null];
  return now === null || then === null ? 0 : Math.max(0, now - then);
};

type Failure = Omit<Halt, 'wave' | 'since'>;

const failureOf = (gate: Gate, clusters: readonly MovedCluster[], problem: string): Failure => ({
  gate,
  clusters: clusters.slice(0, NAMED).map(({ cluster }) => cluster.name),
  problem,
});

const compareFacts = (wave: Wave, moved: readonly MovedCluster[]): Failure | undefined => {
  for (const { gate, limit: key, what } of LIMITS) {
    const fact = FACT_OF_GATE[gate];
    const limit = wave.rule?.[key];
    if (limit === undefined) continue;
    const grown = moved.filter((each) => isCounted(each) && growthOf(each, fact) > 0);
    const sum = grown.reduce((total, each) => total + growthOf(each, fact), 0);
    if (sum > limit) return failureOf(gate, grown, `${sum} ${what}; the wave may have ${limit}`);
  }
  return undefined;
};

/** The first gate of a wave that fails by what its clusters say now. The last wave has no gates. */
export const failedGate = (wave: Wave, moved: readonly MovedCluster[]): Failure | undefined => {
  if (wave.rule === undefined) return undefined;
  const refused = moved.filter(({ progress }) => progress === 'refused');
  if (refused.length > 0) return failureOf('Refused', refused, 'the agent refused the commit');
  const facts = compareFacts(wave, moved);
  if (facts !== undefined) return facts;
  const late = moved.filter(({ progress }) => progress === 'late');
  return late.length === 0 ? undefined : failureOf('ProofTime', late, `not proven and looked at within ${wave.proofMs / 1000} s`);
};

/** The failure of a wave that nobody has proven: that nothing was found is no reason to go on. */
export const unseenGate = (wave: Wave, moved: readonly MovedCluster[]): Failure | undefined => {
  const registered = moved.filter(({ cluster }) => cluster.isRegistered);
  if (wave.rule === undefined || registered.length === 0 || registered.some(({ progress }) => progress === 'proven')) return undefined;
  return failureOf('NothingLookedAt', registered, 'the gates looked at 0 clusters: none has proven the commit and is known as it is now');
};
