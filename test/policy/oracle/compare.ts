import { EXCEPTIONS } from './exceptions.ts';
import { expectedText } from './implementations.ts';
import type { Implementation, Matcher, MatchResult, ModelNode, OracleCase } from './types.ts';

/**
 * - `unsound`: admitted, and Kubernetes lets it run outside of the allowed regions. Never excepted.
 * - `too strict`: refused, nothing outside matches, and no exception explains it.
 * - `text`: the text differs from that of shared/residency.
 */
export type MismatchKind = 'unsound' | 'too strict' | 'text';

export interface Mismatch {
  readonly kind: MismatchKind;
  /** Position in the batch. */
  readonly index: number;
  readonly asked: OracleCase;
  readonly implementation: string;
  readonly answer: string | undefined;
  /** The answer of shared/residency. */
  readonly expected: string | undefined;
  readonly node?: ModelNode;
}

/** Counts of one implementation; sums over batches. */
export interface Counts {
  pods: number;
  admitted: number;
  /**
   * Admitted pods that match some node of an allowed region, and so not only pods that can run
   * nowhere.
   */
  admittedInside: number;
  refused: number;
  nodes: number;
  /** Refusals that only this exception explains, by its name. */
  readonly excepted: Map<string, number>;
}

export const noCounts = (): Counts => ({ pods: 0, admitted: 0, admittedInside: 0, refused: 0, nodes: 0, excepted: new Map() });

export interface Comparison {
  readonly matcher: Matcher;
  readonly implementation: Implementation;
}

interface JudgedCase {
  readonly index: number;
  readonly asked: OracleCase;
  readonly answer: string | undefined;
  readonly result: MatchResult;
}

const mismatchOf = ({ name }: Implementation, { index, asked, answer, result }: JudgedCase, kind: MismatchKind): Mismatch => ({
  kind,
  index,
  asked,
  implementation: name,
  answer,
  expected: expectedText(asked),
  ...(result.outside === undefined ? {} : { node: result.outside }),
});

const count = (counts: Counts, { answer, result }: JudgedCase): void => {
  counts.pods += 1;
  counts.nodes += result.tried;
  if (answer !== undefined) counts.refused += 1;
  else counts.admitted += 1;
  if (answer === undefined && result.inside) counts.admittedInside += 1;
};

/** @returns refusals that no exception explains */
const takeExceptions = async (matcher: Matcher, refusals: readonly JudgedCase[], counts: Counts): Promise<readonly JudgedCase[]> => {
  let open = refusals;
  for (const { name, relax } of EXCEPTIONS) {
    const relaxed = open.flatMap((judged) => {
      const pod = relax(judged.asked.pod);
      return pod === undefined ? [] : [{ judged, asked: { ...judged.asked, pod } }];
    });
    if (relaxed.length === 0) continue;
    const results = await matcher.match(relaxed.map(({ asked }) => asked));
    const explained = new Set(relaxed.filter((_, at) => results[at]?.outside !== undefined).map(({ judged }) => judged));
    if (explained.size > 0) counts.excepted.set(name, (counts.excepted.get(name) ?? 0) + explained.size);
    open = open.filter((judged) => !explained.has(judged));
  }
  return open;
};

const judge = async ({ matcher, implementation }: Comparison, cases: readonly OracleCase[]): Promise<JudgedCase[]> => {
  const [answers, results] = await Promise.all([implementation.answers(cases), matcher.match(cases)]);
  return cases.map((asked, index) => {
    const result = results[index];
    if (result === undefined || answers.length !== cases.length) throw new Error('an answer is missing');
    return { index, asked, answer: answers[index], result };
  });
};

/** Compares one batch, adds to the counts, and returns the mismatches. */
export const compare = async (comparison: Comparison, cases: readonly OracleCase[], counts: Counts): Promise<readonly Mismatch[]> => {
  const judged = await judge(comparison, cases);
  for (const each of judged) count(counts, each);
  const mismatch = (kind: MismatchKind) => (each: JudgedCase) => mismatchOf(comparison.implementation, each, kind);
  const strict = judged.filter(({ answer, result }) => answer !== undefined && result.outside === undefined);
  return [
    ...judged.filter(({ answer, result }) => answer === undefined && result.outside !== undefined).map(mismatch('unsound')),
    ...(await takeExceptions(comparison.matcher, strict, counts)).map(mismatch('too strict')),
    ...judged.filter(({ asked, answer }) => answer !== expectedText(asked)).map(mismatch('text')),
  ];
};
