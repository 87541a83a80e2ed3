import { OBSERVED_KINDS } from '@fso/shared/protocol';
import { createRandom, shuffled } from '../harness/random.ts';
import { FAULTS, type FaultName } from './proxy/faults.ts';

/**
 * A fault of the sight of one kind, while the locks are whole, or while one is taken away
 * meanwhile.
 */
export interface BlindCase {
  /** `<kind>/<fault>/<lock>` */
  readonly name: string;
  readonly kind: string;
  /** `none`: the control. */
  readonly fault: FaultName | 'none';
  readonly lock: 'whole' | 'taken';
  readonly seed: number;
  /**
   * Whether it waits also for the status in the cluster, which follows later, and for the command
   * line.
   */
  readonly isLong: boolean;
  /** Number of fields that are malformed, one after the other; Infinity: all. */
  readonly fields: number;
}

/** The status in the cluster follows the same rule for all kinds: every third case waits for it. */
const LONG_EVERY = 3;
const LOCKS = ['whole', 'taken'] as const;
/** Kind of the control with whole locks. Without a fault all kinds behave the same there. */
const CONTROL_KIND = 'Namespace';

type Shape = Pick<BlindCase, 'kind' | 'fault' | 'lock'>;

const shapes: readonly Shape[] = OBSERVED_KINDS.flatMap((kind) =>
  (['none', ...FAULTS] as const).flatMap((fault) =>
    LOCKS.filter((lock) => fault !== 'none' || lock === 'taken' || kind === CONTROL_KIND).map((lock) => ({ kind, fault, lock })),
  ),
);

/** Every case. A kind that agents begin to read is in it by itself. */
export const allCases = (seed: number, fields = Number.POSITIVE_INFINITY): readonly BlindCase[] =>
  shapes.map((shape, index) => ({
    ...shape,
    name: `${shape.kind}/${shape.fault}/${shape.lock}`,
    seed: seed + index,
    isLong: index % LONG_EVERY === 0,
    fields,
  }));

export const hasFault = ({ fault }: Pick<BlindCase, 'fault'>): boolean => fault !== 'none';

/** Number of malformed fields in a case of a sample. */
const SAMPLED_FIELDS = 4;

/**
 * Returns a sample of the cases, by a seed: at least one of each kind and of each fault, and one
 * control of each lock.
 *
 * @param size number of cases with a fault
 */
export const sampleCases = (seed: number, size: number): readonly BlindCase[] => {
  const random = createRandom(seed);
  const cases = shuffled(allCases(seed, SAMPLED_FIELDS), random);
  const faulty = cases.filter(hasFault);
  const chosen = new Set<BlindCase>();
  // Kind and fault move on together, so that a sample as large as the kinds has all of both.
  for (const [index, kind] of OBSERVED_KINDS.entries()) {
    const fault = FAULTS[index % FAULTS.length];
    const found = faulty.find((each) => each.kind === kind && each.fault === fault);
    if (found !== undefined) chosen.add(found);
  }
  for (const each of faulty) if (chosen.size < size) chosen.add(each);
  const controls = LOCKS.flatMap((lock) => cases.filter((each) => !hasFault(each) && each.lock === lock).slice(0, 1));
  return [...controls, ...chosen];
};
