import { randomInt } from 'node:crypto';
import { LEGACY_REGION_LABEL, REGION_LABEL } from '@fso/shared/api';
import { decideResidency, type NodeSelectorTerm, type PodPlacement } from '@fso/shared/residency';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anyCase } from '../policy/oracle/cases.ts';
import type { MismatchKind } from '../policy/oracle/compare.ts';
import { EXCEPTIONS } from '../policy/oracle/exceptions.ts';
import { typescript } from '../policy/oracle/implementations.ts';
import { type OracleReport, runOracle } from '../policy/oracle/oracle.ts';
import { type GoOracle, startGoOracle } from '../policy/oracle/pipe.ts';
import { findingText, mismatchText, table, verdictTable } from '../policy/oracle/report.ts';
import { runPhase } from '../policy/oracle/run-phase.ts';
import type { Implementation } from '../policy/oracle/types.ts';
import { compareVerdicts } from '../policy/oracle/verdicts.ts';

const { signal } = new AbortController();
const seed = randomInt(2 ** 31 - 1);
const log = (line: string): void => console.log(line);

describe(`the three implementations against Kubernetes' own matcher, seed ${seed}`, () => {
  let report: OracleReport;

  beforeAll(async () => {
    report = await runOracle({ seed, pods: { typescript: 20_000, rego: 2_000, cel: 1_000 }, log }, signal);
    log(table(report.columns));
  });

  it('has no mismatch on the hand-written cases', () => {
    expect(report.known.map(mismatchText)).toEqual([]);
  });

  it.each(['TypeScript', 'Rego', 'CEL'])('%s has no mismatch', (name) => {
    const result = report.columns.find((column) => column.name === name)?.result ?? expect.fail(`${name} is missing`);
    expect(result.finding && findingText(result.finding)).toBeUndefined();
    // Both outcomes occurred: else nothing was compared.
    expect(result.counts.admittedInside).toBeGreaterThan(result.counts.pods / 50);
    expect(result.counts.refused).toBeGreaterThan(result.counts.pods / 2);
  });

  it('meets every exception', () => {
    const met = report.columns.find(({ name }) => name === 'TypeScript')?.result.counts.excepted;
    for (const { name } of EXCEPTIONS) expect(met?.get(name) ?? 0, name).toBeGreaterThan(0);
  });
});

describe('the verdicts about the same workloads', () => {
  it('are equal in plan, audit, checker and both locks', async () => {
    const report = await compareVerdicts({ seed, workloads: 600, log }, signal);
    log(verdictTable(report));
    expect(report.differences).toEqual([]);
    for (const { name, admitted, refused } of report.sources) {
      expect(admitted, name).toBeGreaterThan(100);
      expect(refused, name).toBeGreaterThan(200);
    }
  });
});

type Decide = typeof decideResidency;

const termsOf = (pod: PodPlacement) => pod.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
const withTerms = (pod: PodPlacement, nodeSelectorTerms: ReturnType<typeof termsOf>): PodPlacement =>
  nodeSelectorTerms.length === 0
    ? pod
    : { ...pod, affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } };

const preferencesOf = (pod: PodPlacement) => {
  const nodeAffinity = pod.affinity?.nodeAffinity as
    | { preferredDuringSchedulingIgnoredDuringExecution?: { preference: NodeSelectorTerm }[] }
    | undefined;
  return (nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ preference }) => preference);
};
const rewritten = (pod: PodPlacement, from: string, to: string): PodPlacement =>
  JSON.parse(JSON.stringify(pod).replaceAll(from, to)) as PodPlacement;

/** Admits pods that it should refuse for this reason. */
const forgives =
  (reason: string): Decide =>
  (pod, regions) => {
    const decision = decideResidency(pod, regions);
    return !decision.admitted && decision.violation.includes(reason) ? { admitted: true } : decision;
  };

/** Possible faults of a decision, and the kind of mismatch that the oracle reports. */
const BROKEN: readonly (readonly [string, MismatchKind, Decide])[] = [
  ['reads only the first term', 'unsound', (pod, regions) => decideResidency(withTerms(pod, termsOf(pod).slice(0, 1)), regions)],
  [
    'accepts a pod as confined if any term is',
    'unsound',
    (pod, regions) => {
      const decisions = termsOf(pod).map((term) => decideResidency(withTerms(pod, [term]), regions));
      return decisions.find(({ admitted }) => admitted) ?? decideResidency(pod, regions);
    },
  ],
  ['reads NotIn as In', 'unsound', (pod, regions) => decideResidency(rewritten(pod, '"NotIn"', '"In"'), regions)],
  [
    'trusts the legacy region key',
    'unsound',
    (pod, regions) => decideResidency(rewritten(pod, LEGACY_REGION_LABEL, REGION_LABEL), regions),
  ],
  [
    'reads preferences as requirements',
    'unsound',
    (pod, regions) => decideResidency(withTerms(pod, [...termsOf(pod), ...preferencesOf(pod)]), regions),
  ],
  ['admits nodes without a region', 'unsound', forgives('allows nodes without a region')],
  ['admits regions that are not named', 'unsound', forgives('does not confine the region')],
  ['admits regions that are named and not allowed', 'unsound', forgives('allows region')],
  ['admits a node by its name', 'unsound', forgives('selects a node by name')],
  ['admits pods without constraints', 'unsound', forgives('nothing in the pod confines it')],
  [
    'admits what Gt and Lt compare',
    'unsound',
    (pod, regions) => (/"[GL]t"/.test(JSON.stringify(pod.affinity ?? {})) ? { admitted: true } : decideResidency(pod, regions)),
  ],
  [
    'ignores that the nodeSelector limits every term',
    'too strict',
    (pod, regions) => (termsOf(pod).length === 0 ? decideResidency(pod, regions) : decideResidency({ ...pod, nodeSelector: {} }, regions)),
  ],
  [
    'calls regions by other names',
    'text',
    (pod, regions) => {
      const decision = decideResidency(pod, regions);
      return decision.admitted ? decision : { ...decision, violation: decision.violation.toUpperCase() };
    },
  ],
];

describe('the oracle', () => {
  let oracle: GoOracle;

  beforeAll(async () => {
    oracle = await startGoOracle(log, signal);
  });

  afterAll(() => oracle.close());

  // Always the same pods, because they decide which fault shows first.
  const run = (implementation: Implementation) =>
    runPhase({ matcher: oracle, implementation, cases: anyCase, pods: 5_000, seed: 1 }, signal);

  it.each(BROKEN)('finds a decision that %s (%s)', async (_, kind, decide) => {
    const { finding } = await run(typescript(decide));
    expect(finding?.mismatch.kind).toBe(kind);
    const { asked, answer, node } = finding?.mismatch ?? expect.fail('no mismatch');
    // Shrunk: one or two terms show each of these faults.
    expect(termsOf(asked.pod).length, JSON.stringify(asked.pod)).toBeLessThanOrEqual(2);
    expect(node === undefined).toBe(kind === 'too strict');
    expect(answer === undefined).toBe(kind === 'unsound');
  });

  it('explains how to reproduce a mismatch', async () => {
    const admitsAll: Implementation = { name: 'open door', answers: async (cases) => cases.map(() => undefined) };
    const { finding } = await run(admitsAll);
    const text = finding === undefined ? '' : findingText(finding);
    expect(text).toContain('MISMATCH (unsound) of open door\npod: {}\n');
    expect(text).toContain(`--seed ${finding?.seed}`);
    const again = await runPhase(
      { matcher: oracle, implementation: admitsAll, cases: anyCase, pods: 500, seed: finding?.seed ?? 0 },
      signal,
    );
    expect(again.finding).toEqual(finding);
  });

  it('reports errors of its Go program, and continues', async () => {
    const malformed = { nodeSelector: 'nowhere' } as unknown as PodPlacement;
    const governed = { namespace: 'governed', policies: [], regions: [] };
    await expect(oracle.match([{ governed, pod: malformed }])).rejects.toThrow("the oracle's Go program: json");
    await expect(oracle.match([{ governed, pod: {} }])).resolves.toMatchObject([{ inside: false }]);
  });
});
