import { REGION_LABEL } from '@fso/shared/api';
import { expect, it } from 'vitest';
import type { Pod } from '../cache/index.ts';
import { type ConstraintGroup, constraintBody } from '../enforce/gatekeeper/constraint.ts';
import type { Constraint } from '../enforce/index.ts';
import { AuditComparison, auditOfPolicy } from './audit.ts';

const GROUP: ConstraintGroup = { regions: ['eu-west-1'], action: 'deny', excludedNamespaces: ['web-test'], scoped: [] };
const BODY = constraintBody(GROUP, [
  { name: 'team/finance', pattern: 'finance' },
  { name: 'team/web', pattern: 'web-*' },
]);
const NAME = BODY.metadata.name;

const pod = (name: string, namespace: string, spec: object = {}, phase = 'Running'): Pod =>
  ({ metadata: { name, namespace, uid: name }, spec, status: { phase } }) as Pod;

class Bench {
  readonly news: string[] = [];
  pods: Pod[] = [];
  readonly #comparison = new AuditComparison((message) => this.news.push(message));
  #time = 0;

  look(constraint: Constraint): boolean | undefined {
    const namespaces = ['finance', 'other', 'web-prod', 'web-test'];
    const podsIn = (namespace: string) => this.pods.filter(({ metadata }) => metadata.namespace === namespace);
    return auditOfPolicy([NAME], this.#comparison.compare({ constraints: [constraint], namespaces, podsIn }))?.agrees;
  }

  /** @returns what is known after one more audit with this total */
  audited(totalViolations: number, body: Constraint = BODY): boolean | undefined {
    this.#time += 1;
    return this.look({ ...body, status: { auditTimestamp: `2026-01-01T00:00:0${this.#time}Z`, totalViolations } });
  }
}

it('counts what Rego counts in an audit', () => {
  const bench = new Bench();
  bench.pods = [
    pod('open', 'finance'),
    pod('finished', 'finance', {}, 'Succeeded'),
    pod('bound elsewhere, asked inside', 'finance', { nodeName: 'us-east-1-a', nodeSelector: { [REGION_LABEL]: 'eu-west-1' } }),
    pod('bound, asked nothing', 'web-prod', { nodeName: 'eu-west-1-a' }),
    pod('excluded', 'web-test'),
    pod('elsewhere', 'other'),
  ];
  expect(bench.audited(3)).toBeUndefined();
  expect(bench.audited(3)).toBe(true);
});

it('speaks up at the second difference in a row, once', () => {
  const bench = new Bench();
  bench.pods = [pod('open', 'finance')];
  expect([1, 1, 5, 1, 5, 5, 5, 1].map((total) => bench.audited(total))).toEqual([undefined, true, true, true, true, false, false, true]);
  expect(bench.news).toHaveLength(1);
  expect(bench.news[0]).toContain(`finds 5 pods that constraint ${NAME} refuses, this agent 1:`);
});

it('allows for pods that came and went since the audit before', () => {
  const bench = new Bench();
  bench.audited(0);
  const audited = { ...BODY, status: { auditTimestamp: '2026-01-01T00:00:01Z', totalViolations: 0 } };
  bench.pods = [pod('a', 'finance'), pod('b', 'finance')];
  bench.look(audited);
  bench.pods = [];
  expect([bench.audited(1), bench.audited(1), bench.audited(1)]).toEqual([true, true, false]);
});

it('starts again with a changed constraint, and skips one that is not audited', () => {
  const bench = new Bench();
  bench.audited(0);
  expect(bench.audited(7, { ...BODY, metadata: { ...BODY.metadata, generation: 2 } })).toBeUndefined();
  const scoped = constraintBody(
    { ...GROUP, action: 'scoped', scoped: [{ action: 'deny', enforcementPoints: [{ name: 'validation.gatekeeper.sh' }] }] },
    [{ name: 'team/finance', pattern: 'finance' }],
  );
  const named = { ...scoped, metadata: { ...scoped.metadata, name: NAME } };
  expect([bench.audited(7, named), bench.audited(7, named), bench.audited(7, named)]).toEqual([undefined, undefined, undefined]);
});
