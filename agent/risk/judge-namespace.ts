import { byText } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';
import type { TemplateTarget } from '../probe/index.ts';
import { type JudgeInput, judgeOwner, judgeSource, MAX_SOURCES, type OwnerJudgement } from './judge-owner.ts';
import { nextTemplates, type OwnerTemplates } from './next-templates.ts';
import type { OwnerSet } from './owners/owner-cache.ts';
import { type FoundRisk, type NamespaceRisks, RiskTally } from './sum-risks.ts';
import { isAsked, targetKey, targetOf } from './template-targets.ts';

/** Owners that are judged in a namespace: a tenant may create any number. */
export const MAX_JUDGED = 1_000;

export type Targets = ReadonlyMap<string, TemplateTarget>;

/** The owners of a namespace that are judged, and the number of the others. */
export interface JudgedOwners {
  readonly owners: readonly OwnerTemplates[];
  readonly omitted: number;
}

/** Listed once for the owners of a namespace as they are. */
const templatesOf: (owners: OwnerSet) => readonly OwnerTemplates[] = weakMemo((owners) =>
  nextTemplates(new Map([...owners].map(([kind, named]) => [kind, [...named.values()]]))).toSorted((a, b) =>
    byText(`${a.kind}/${a.owner.metadata.name}`, `${b.kind}/${b.owner.metadata.name}`),
  ),
);

/** @param shapes of owners of which nothing may be there now */
export const judgedOwners = (owners: OwnerSet, shapes: ShapeSource): JudgedOwners => {
  const present = templatesOf(owners);
  const gone = shapes.apartFrom(present);
  return {
    owners: [...present.slice(0, MAX_JUDGED), ...gone.slice(0, MAX_JUDGED)],
    omitted: Math.max(0, present.length - MAX_JUDGED) + Math.max(0, gone.length - MAX_JUDGED),
  };
};

/** The shapes of a namespace. */
export interface ShapeSource {
  /** Lists those that none of the owners stands for, those that were seen last first. */
  apartFrom(owners: readonly OwnerTemplates[]): readonly OwnerTemplates[];
}

/** Finds the templates of which pods are asked for, one owner at a step. */
export function* targetsOf(
  input: JudgeInput,
  owners: readonly OwnerTemplates[],
  { webhooks, before }: { readonly webhooks: string; readonly before: Targets },
): Generator<void, Targets> {
  const targets = new Map<string, TemplateTarget>();
  for (const owner of owners) {
    for (const source of owner.sources.slice(0, MAX_SOURCES).filter(isAsked)) {
      const key = targetKey(input.denied.namespace, source);
      const isRefused = judgeSource(input, owner, source)?.risk === 'Refused';
      targets.set(key, targetOf(input.denied, owner, source, { webhooks, isRefused, before: before.get(key) }));
    }
    yield;
  }
  return targets;
}

/** Judges owners, one at a step. */
export function* judgeOwners(input: JudgeInput, { owners, omitted }: JudgedOwners): Generator<void, NamespaceRisks> {
  const tallies = new Map(input.denied.deny.policies.map((policy) => [policy, new RiskTally()]));
  const refused: FoundRisk[] = [];
  let unjudged = omitted;
  for (const owner of owners) {
    const judged = judgeOwner(input, owner);
    count(judged, tallies);
    if (judged.found?.risk.risk === 'Refused') refused.push(judged.found);
    if (judged.isUnjudged) unjudged += 1;
    yield;
  }
  return { policies: new Map([...tallies].map(([policy, tally]) => [policy, tally.risks])), refused, unjudged };
}

const count = ({ found, isMended }: OwnerJudgement, tallies: ReadonlyMap<string, RiskTally>): void => {
  if (found !== undefined) for (const policy of found.policies) tallies.get(policy)?.add(found);
  if (isMended) for (const tally of tallies.values()) tally.addMended();
};
