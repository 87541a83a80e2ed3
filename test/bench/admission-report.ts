import type { Parts } from './admission-parts.ts';

/** Latencies in one state of the cluster, in ms; requests of all kinds took turns. */
export interface Sample {
  readonly name: string;
  /** Pods that policies govern, or will govern, which say their region by nodeSelector. */
  readonly governed: readonly number[];
  /** Pods of the same namespaces that say it by required node affinity. */
  readonly affinity: readonly number[];
  /** Pods of a namespace that no policy names. */
  readonly other: readonly number[];
  /** Pods of another cluster, which nothing ever governs: what the machine does besides shows in it alike. */
  readonly control: readonly number[];
  /** Of the cluster that is governed, both namespaces together. */
  readonly parts: Parts;
}

/** What one run measured. */
export interface AdmissionRun {
  /** No agent, no floor, no template: at the start, and again at the end. */
  readonly ungoverned: readonly [Sample, Sample];
  /** By ascending number of policies. */
  readonly levels: readonly { readonly policies: number; readonly sample: Sample }[];
}

const MOST_RATIO = 1.3;
/** A difference of the median that a machine at rest shows as well. */
const LEAST_NOISE = 0.1;

const quantile = (values: readonly number[], q: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
};

type Series = 'governed' | 'affinity' | 'other' | 'control';

/** A quantile in units of the control cluster's at the same time. */
const relative = (sample: Sample, series: Series, q: number): number => quantile(sample[series], q) / quantile(sample.control, q);

interface Verdict {
  readonly isMet: boolean;
  readonly text: string;
}

export interface AdmissionReport {
  /** A table and verdicts, for people. */
  readonly lines: readonly string[];
  readonly isMet: boolean;
}

/** How the pods of governed namespaces say their region: each is compared with its own kind. */
const KINDS = { governed: 'by nodeSelector', affinity: 'by required node affinity' } as const;

/** Ratios are to the ungoverned cluster, corrected by what the control cluster showed meanwhile. */
export const admissionReport = ({ ungoverned, levels }: AdmissionRun): AdmissionReport => {
  const [before, after] = ungoverned;
  const baseOf = (series: Series): Series => (series === 'affinity' ? 'affinity' : 'governed');
  const base = (series: Series, q: number): number => (relative(before, baseOf(series), q) + relative(after, baseOf(series), q)) / 2;
  const ratioOf = (sample: Sample, series: Series, q = 0.5): number => relative(sample, series, q) / base(series, q);
  const row = (name: string, sample: Sample, series: Series): string => {
    const cells = [0.5, 0.99].flatMap((q) => [
      `${quantile(sample[series], q).toFixed(2)} ms`,
      series === 'control' ? '' : `${ratioOf(sample, series, q).toFixed(2)}x`,
    ]);
    return `  ${name.padEnd(34)}${cells.map((cell) => cell.padStart(11)).join('')}`;
  };
  const rows = (sample: Sample): string[] => [
    `  ${sample.name}`,
    row(`  ${KINDS.governed}`, sample, 'governed'),
    row(`  ${KINDS.affinity}`, sample, 'affinity'),
    row('  another namespace', sample, 'other'),
    row('  control: an ungoverned cluster', sample, 'control'),
    `    mean of all namespaces: lock 1 ${sample.parts.lockOne.toFixed(2)} ms, lock 2 ${sample.parts.lockTwo.toFixed(2)} ms`,
  ];
  const drift = Math.abs(relative(after, 'governed', 0.5) / relative(before, 'governed', 0.5) - 1);
  const flat = 1 + Math.max(LEAST_NOISE, drift);
  const judge = (series: keyof typeof KINDS): Verdict[] => {
    const [former, most] = [levels.at(-2), levels.at(-1)];
    if (most === undefined) return [];
    const ratio = ratioOf(most.sample, series);
    const at = `${KINDS[series]}: p50 at ${most.policies} policies is`;
    const cost = { isMet: ratio <= MOST_RATIO, text: `${at} ${ratio.toFixed(2)} times the ungoverned one (at most ${MOST_RATIO})` };
    if (former === undefined) return [cost];
    const growth = ratio / ratioOf(former.sample, series);
    const text = `${at} ${growth.toFixed(2)} times that at ${former.policies} (flat: at most ${flat.toFixed(2)})`;
    return [cost, { isMet: growth <= flat, text }];
  };
  const verdicts = [...judge('governed'), ...judge('affinity')];
  return {
    lines: [
      `  ${''.padEnd(34)}${['p50', 'ratio', 'p99', 'ratio'].map((head) => head.padStart(11)).join('')}`,
      ...[before, ...levels.map(({ sample }) => sample), after].flatMap(rows),
      `  the ungoverned median moved by ${(drift * 100).toFixed(0)} % between start and end`,
      ...verdicts.map(({ isMet, text }) => `  ${isMet ? 'MET   ' : 'MISSED'}  ${text}`),
    ],
    isMet: verdicts.every(({ isMet }) => isMet),
  };
};
